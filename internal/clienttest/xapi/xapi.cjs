// Sends and reads as the @xapi/xapi package does.
const XAPI = require("@xapi/xapi");

const xapi = new XAPI({
  endpoint: process.env.COLLECTOR + "/xapi/", auth: XAPI.toBasicAuth(process.env.KEY, ""), adapter: process.env.ADAPTER,
});
const actor = { objectType: "Agent", name: "Ada", account: { homePage: "https://acme.lms.example", name: "u-17" } };
const course = {
  objectType: "Activity", id: "https://lms.example/course/sales-101",
  definition: { type: "http://adlnet.gov/expapi/activities/course", name: { "en-US": "Sales 101" } },
};
const registration = "b2a3c1d4-0000-4000-8000-000000000001";

async function failed(call) {
  try {
    await call;
    return "no error";
  } catch (e) {
    return e.response ? e.response.status : e.message;
  }
}

async function main() {
  const out = {};
  out.about = (await xapi.getAbout()).data;
  const one = { actor, verb: XAPI.Verbs.COMPLETED, object: course, result: { score: { scaled: 0.9 }, duration: "PT1H30M", completion: true }, context: { registration } };
  out.one = (await xapi.sendStatement({ statement: one })).data;
  const passed = { id: process.env.ID, actor, verb: XAPI.Verbs.PASSED, object: course, timestamp: new Date().toISOString() };
  const progressed = { actor, verb: XAPI.Verbs.PROGRESSED, object: course, result: { extensions: { "https://w3id.org/xapi/cmi5/result/extensions/progress": 40 } } };
  out.many = (await xapi.sendStatements({ statements: [passed, progressed] })).data;
  out.again = (await xapi.sendStatement({ statement: passed })).data;
  out.conflict = await failed(xapi.sendStatement({ statement: { ...passed, verb: XAPI.Verbs.FAILED } }));
  out.invalid = await failed(xapi.sendStatement({ statement: { ...passed, id: undefined, actor: {} } }));
  out.unmapped = (await xapi.sendStatement({ statement: { actor, verb: { id: "http://example.com/verbs/danced" }, object: course } })).data;
  out.voided = (await xapi.voidStatement({ actor, statementId: out.one[0] })).data;

  out.read = (await xapi.getVoidedStatement({ voidedStatementId: out.one[0] })).data;
  out.hidden = await failed(xapi.getStatement({ statementId: out.one[0] }));
  out.kept = (await xapi.getStatement({ statementId: process.env.ID })).data.id;
  const selected = async (filter) => (await xapi.getStatements(filter)).data.statements.map((s) => s.id);
  out.byVerb = await selected({ verb: XAPI.Verbs.PASSED.id, agent: actor, activity: course.id });
  out.byStranger = await selected({ agent: { mbox: "mailto:nobody@lms.example" } });
  out.byRegistration = await selected({ registration });
  out.missing = await failed(xapi.getStatement({ statementId: "00000000-0000-4000-8000-000000000000" }));
  const page = (await xapi.getStatements({ limit: 2 })).data;
  const all = [...page.statements];
  for (let more = page.more; more; ) {
    const rest = (await xapi.getMoreStatements({ more })).data;
    all.push(...rest.statements);
    more = rest.more;
  }
  out.listed = all.map((s) => s.id);

  const place = { agent: actor, activityId: course.id, stateId: "bookmark", registration };
  await xapi.setState({ ...place, state: { page: 3, seen: [1] } });
  await xapi.createState({ ...place, state: { page: 4 } });
  out.state = (await xapi.getState(place)).data;
  out.states = (await xapi.getStates({ agent: actor, activityId: course.id, registration })).data;
  await xapi.deleteState(place);
  out.stateGone = await failed(xapi.getState(place));
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e.response ? e.response.data : e); process.exit(1); });
