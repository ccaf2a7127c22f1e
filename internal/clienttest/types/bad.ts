// Each line is a mistake that the types must find.
import "../../tracker/tracker";

partnerpulse.track("portal.teleported");
partnerpulse.init({ partner: "p-1" });
partnerpulse.search({ query: "backup" });
partnerpulse.searchClick({ content_id: "doc-1", position: "first" });
partnerpulse.identify("p-1");
partnerpulse.init({ key: "pp_web_x", cookie: true });
