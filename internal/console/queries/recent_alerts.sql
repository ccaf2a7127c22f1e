-- The newest transitions of alerts, newest first.
SELECT
    alert_id,
    partner_id,
    rule,
    status,
    severity,
    day,
    change_day,
    baseline_rate,
    current_rate,
    drop_pct
FROM alerts FINAL
WHERE tenant = {tenant:String}
ORDER BY day DESC, recorded_at DESC, partner_id
LIMIT {most:UInt32}
