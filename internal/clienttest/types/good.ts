// A page that uses every call as it is meant; it must compile.
import type { PartnerPulseWhat } from "../../tracker/tracker";

window.partnerpulse.init({ key: "pp_web_x", partner: "p-1", user: "u-1", consent: "required", flushMs: 500, cookie: "portal.example", quickMs: 5000 });
const id: string | undefined = partnerpulse.track("training.completed", { course_id: "c-1" });
partnerpulse.track("custom.quiz", {});
partnerpulse.page({ path: "/home" });
const view = partnerpulse.content({ content_id: "doc-1", words: 900, element: document.body });
view?.update({ media_pct: 50 });
view?.end();
const search = partnerpulse.search({ query: "backup", results_count: 3 });
partnerpulse.searchClick({ content_id: "doc-1", position: 1, search_id: search });
partnerpulse.pin("pb-1", "doc-1");
partnerpulse.unpin("pb-1");
partnerpulse.login({ method: "sso" });
partnerpulse.identify({ identity: "token" });
partnerpulse.on((what: PartnerPulseWhat, events) => console.log(what, events.map((e) => e.id), id));
partnerpulse.consent(true);
partnerpulse.flush();
partnerpulse.reset();
