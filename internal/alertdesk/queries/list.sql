-- Alerts as they stand, the newest first.
SELECT
    alert_id, partner_id, subject, rule, status, reason, severity, owner,
    toString(day) AS day_, toString(firing_day) AS starts, toString(change_day) AS change,
    if(snoozed_until = toDate(0), '', toString(snoozed_until)) AS until,
    actor, inhibited_by, baseline_rate, current_rate, drop_pct, historical = 1 AS historical_, sequence, recorded_at
FROM alerts_current
WHERE tenant = {tenant:String}
  AND ({partner:String} = '' OR partner_id = {partner:String})
  AND ({rule:String} = '' OR rule = {rule:String})
  AND ({status:String} = '' OR status = {status:String})
  AND ({open:UInt8} = 0 OR status IN ('firing', 'acknowledged', 'snoozed'))
ORDER BY day DESC, recorded_at DESC, partner_id, alert_id
LIMIT {most:UInt64}
