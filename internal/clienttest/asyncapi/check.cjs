// Reads the AsyncAPI document named by DOCUMENT with AsyncAPI's own parser and prints
// its findings and channels as JSON.
const fs = require('fs');
const { Parser } = require('@asyncapi/parser');

(async () => {
  const file = process.env.DOCUMENT;
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(file, 'utf8'), { source: file });
  const channels = document ? document.channels().all().map((c) => ({
    address: c.address(),
    messages: c.messages().all().map((m) => ({ name: m.name(), payload: m.payload()?.json() })),
    kafka: c.bindings().get('kafka')?.value(),
  })) : [];
  process.stdout.write(JSON.stringify({
    findings: diagnostics.map((d) => ({ severity: d.severity, code: d.code, message: d.message, path: d.path.join('.') })),
    channels,
  }));
})();
