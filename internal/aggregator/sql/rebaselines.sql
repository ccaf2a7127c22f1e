-- Accepted levels of the batch's partners.
SELECT command_id, partner_id, toInt32(day) AS day_
FROM alert_commands FINAL
WHERE tenant = {tenant:String} AND action = 'rebaseline'
  AND partner_id IN (SELECT partner_id FROM agg_partners WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String})
ORDER BY command_id
