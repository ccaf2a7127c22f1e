-- One alert as it stands.
SELECT
    alert_id, partner_id, subject, rule, status, reason, severity, owner,
    toString(day) AS day_, toString(firing_day) AS starts, toString(change_day) AS change,
    if(snoozed_until = toDate(0), '', toString(snoozed_until)) AS until,
    actor, inhibited_by, baseline_rate, current_rate, drop_pct, historical = 1 AS historical_, sequence, recorded_at
FROM alerts_current
WHERE tenant = {tenant:String} AND alert_id = {alert:String}
