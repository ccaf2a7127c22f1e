// Sends and reads as TinCanJS does.
const TinCan = require("tincanjs");

const lrs = new TinCan.LRS({
  endpoint: process.env.COLLECTOR + "/xapi/", username: process.env.KEY, password: "any", allowFail: false,
});
const call = (method, ...args) => new Promise((resolve, reject) => {
  const cfg = args.pop(); // the last argument of each method, which holds the callback
  lrs[method](...args, { ...cfg, callback: (err, result) => err ? reject(new Error(method + ": " + err + " " + (result && result.responseText))) : resolve(result) });
});
const agent = new TinCan.Agent({ mbox: "mailto:ada@partner.example" });
const activity = new TinCan.Activity({ id: "https://lms.example/course/sales-102", definition: { name: { de: "Verkauf" } } });
const context = { extensions: { "https://schemas.partnerpulse.dev/xapi/partner_id": "p-0007" } };
const statement = (verb, more) => new TinCan.Statement({ actor: agent, verb: { id: "http://adlnet.gov/expapi/verbs/" + verb }, target: activity, context, ...more });

async function main() {
  const out = {};
  out.about = (await call("about", {})).version;
  const one = statement("initialized"); // TinCanJS gives it an id and a time, and sends it with PUT
  await call("saveStatement", one, {});
  const many = [statement("experienced"), statement("failed", { result: { score: { raw: 5, min: 0, max: 20 }, success: false } })];
  await call("saveStatements", many, {});
  out.sent = [one, ...many].map((s) => s.id);
  out.read = (await call("retrieveStatement", one.id, {})).verb.id;
  const list = await call("queryStatements", { params: { limit: 10, ascending: true } });
  out.listed = list.statements.map((s) => s.id);
  const own = await call("queryStatements", { params: { verb: many[1].verb, agent, activity, registration: undefined } });
  out.selected = own.statements.map((s) => s.id);
  const voiding = new TinCan.Statement({ actor: agent, verb: { id: "http://adlnet.gov/expapi/verbs/voided" }, target: new TinCan.StatementRef({ id: many[0].id }), context });
  await call("saveStatement", voiding, {});
  out.voiding = voiding.id;
  out.voided = (await call("retrieveVoidedStatement", many[0].id, {})).id;

  const place = { agent, activity };
  await call("saveState", "suspend_data", "a=1", { ...place, contentType: "text/plain" });
  const got = await call("retrieveState", "suspend_data", place);
  out.state = got.contents;
  await call("saveState", "suspend_data", "a=2", { ...place, contentType: "text/plain", lastSHA1: got.etag });
  out.changed = (await call("retrieveState", "suspend_data", place)).contents;
  out.ids = (await call("retrieveStateIds", place));
  await call("dropState", "suspend_data", place);
  out.gone = (await call("retrieveState", "suspend_data", place)) === null;
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e); process.exit(1); });
