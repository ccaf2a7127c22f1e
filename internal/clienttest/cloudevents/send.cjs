// Sends events as the cloudevents package does, in its three modes.
const { CloudEvent, HTTP, httpTransport, emitterFor, Mode } = require("cloudevents");

const url = process.env.COLLECTOR + "/v1/cloudevents";
const authorization = "Bearer " + process.env.KEY;

async function send(message) {
  const headers = { ...message.headers, authorization };
  const r = await fetch(url, { method: "POST", headers, body: message.body });
  return { status: r.status, body: await r.json() };
}

function event(id, more) {
  return new CloudEvent({
    id, source: "/portal", type: "com.example.content.viewed", subject: "p-0001", userid: "u-17",
    time: "2026-11-03T09:15:00.123Z", data: { view_id: "v-" + id, content_id: "battlecard-7" }, ...more,
  });
}

async function main() {
  const out = {};
  out.binary = await send(HTTP.binary(event("binary", { internal: true, title: "Battle card", partitionkey: "x" })));
  out.structured = await send(HTTP.structured(event("structured", { title: "Überblick €", utmsource: "mail" })));
  // The package has no writer for batches: one is an array of structured events.
  out.batch = await send({
    headers: { "content-type": "application/cloudevents-batch+json; charset=utf-8" },
    body: JSON.stringify([event("batch-1"), event("batch-2", { subject: undefined }), event("batch-3", { partnerid: "p-0002", sessionid: "s" })]),
  });
  out.bad = await send(HTTP.binary(event("bad", { data: { content_id: "c" } })));

  // Its own emitters, with its own HTTP transport: they put no header of ours, so a
  // browser key travels in the address.
  const keyed = url + "?key=" + process.env.BROWSER_KEY;
  for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
    const emit = emitterFor(httpTransport(keyed), { binding: HTTP, mode });
    await emit(event("emitted-" + mode));
  }
  console.log(JSON.stringify(out));
}

main().catch((e) => { console.error(e); process.exit(1); });
