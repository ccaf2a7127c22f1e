-- The kinds of entity that have, or had, events in the batch's keys.
SELECT DISTINCT toString(kind) AS kind
FROM entity_events
WHERE tenant = {tenant:String}
  AND day >= {first:Date} AND day <= {last:Date}
  AND (partner_id, day) IN
      (SELECT partner_id, day FROM agg_keys WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND marked > 0)
ORDER BY kind
