// Sends the calls with @rudderstack/rudder-sdk-node and prints, for each, what became of it.
'use strict'
const Analytics = require('@rudderstack/rudder-sdk-node')
const { calls } = require('./calls.cjs')

const { URL_COLLECTOR: dataPlaneUrl, WRITE_KEY: writeKey } = process.env
const client = new Analytics(writeKey, { dataPlaneUrl, flushAt: 20, flushInterval: 200, logLevel: 'none', errorHandler: () => {} })
const sent = []
const all = calls()
const finished = () => {
  if (sent.length === all.length) console.log(JSON.stringify(sent))
}
for (const [method, message] of all) {
  client[method](message, (err, data) => {
    // The callback gives the whole batch, gzipped: the id is not told, so it is given.
    sent.push({ method, name: message.event ?? message.name ?? '', id: message.messageId ?? '', error: err ? String(err) : '' })
    finished()
  })
}
client.flush()
