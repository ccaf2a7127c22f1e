-- Transitions of the batch's partners, and of the tenant as a whole, that have been recorded.
SELECT partner_id, transition_id, alert_id, fingerprint, rule, status, sequence, published, message
FROM alerts FINAL
WHERE tenant = {tenant:String}
  AND (partner_id = '-' OR partner_id IN (SELECT partner_id FROM agg_partners WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}))
ORDER BY partner_id, rule, sequence
