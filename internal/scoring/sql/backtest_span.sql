-- From when until when a tenant has events.
SELECT
    toInt32(minOrDefault(toDate(time, {tz:String}))) AS first, toInt32(maxOrDefault(toDate(time, {tz:String}))) AS last
FROM events
WHERE tenant = {tenant:String} AND NOT internal AND NOT is_bot AND partner_id != '-'
