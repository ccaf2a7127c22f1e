-- A page of a portal's statements by arrival. The bounds are always given: a zero
-- since is 1970, a zero until is far ahead. after_* is the last one of the page
-- before. direction is 1 for the oldest first, -1 for the newest first. Filters that
-- are '' select everything. Voided statements are left out, but what voids them is
-- never voided itself.
SELECT id, time, received_at, key_id, portal, partner_id, data
FROM events FINAL
WHERE (tenant, partner_id, day, id) IN (
    SELECT tenant, partner_id, day, id
    FROM xapi_statements
    WHERE tenant = {tenant:String} AND portal = {portal:String}
      AND received_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
      AND received_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')
      AND ({after_id:String} = ''
           OR {direction:Int8} = 1
              AND (received_at, id) > (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:String})
           OR {direction:Int8} = -1
              AND (received_at, id) < (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:String}))
      AND ({verb:String} = '' OR verb = {verb:String})
      AND ({registration:String} = '' OR registration = {registration:String})
      AND ({activity:String} = '' OR activity = {activity:String}
           OR {related_activities:UInt8} = 1 AND has(related_activities, {activity:String}))
      AND ({agent:String} = '' OR has(agents, sipHash64({agent:String}))
           OR {related_agents:UInt8} = 1 AND has(related_agents, sipHash64({agent:String})))
      AND (verb = 'http://adlnet.gov/expapi/verbs/voided' OR id NOT IN (
           SELECT target FROM xapi_voidings WHERE tenant = {tenant:String} AND portal = {portal:String}))
    ORDER BY
        {direction:Int8} * toUnixTimestamp64Milli(received_at),
        if({direction:Int8} = 1, id, '') ASC,
        if({direction:Int8} = 1, '', id) DESC
    LIMIT 1 BY tenant, id, partner_id, day -- an event that was delivered twice is one
    LIMIT {count:UInt32}
)
AND source = 'xapi'
SETTINGS max_execution_time = 3
