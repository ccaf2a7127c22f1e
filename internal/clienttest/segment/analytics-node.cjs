// Sends the calls with @segment/analytics-node and prints, for each, what became of it.
'use strict'
const { Analytics } = require('@segment/analytics-node')
const { calls } = require('./calls.cjs')

const { URL_COLLECTOR: host, WRITE_KEY: writeKey } = process.env
const analytics = new Analytics({ host, writeKey, flushAt: 20, flushInterval: 200, maxRetries: 4 })
const sent = []
for (const [method, message] of calls()) {
  analytics[method](message, (err, ctx) =>
    sent.push({ method, name: message.event ?? message.name ?? '', id: ctx.event.messageId, error: err ? String(err) : '' }))
}
analytics.closeAndFlush().then(() => console.log(JSON.stringify(sent)))
