-- Recorded transitions about collateral.
SELECT
    partner_id, subject, transition_id, alert_id, fingerprint, rule, status, reason, severity, sequence,
    toInt32(day) AS day_, toInt32(firing_day) AS firing, toInt32(change_day) AS change, toInt32(snoozed_until) AS until,
    command_id, owner, statistic, threshold, baseline_rate, current_rate, drop_pct, historical, message
FROM alerts FINAL
WHERE tenant = {tenant:String} AND partner_id = '-' AND rule IN ('neglected', 'seen_not_read', 'search_gap')
ORDER BY partner_id, fingerprint, sequence
