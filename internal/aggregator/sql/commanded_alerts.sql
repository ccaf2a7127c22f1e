-- Recorded transitions of the partners of commands that are not folded yet, with
-- wake = 1 also of partners with a snoozed alert whose day has come, and of what
-- inhibits everybody.
SELECT
    partner_id, subject, transition_id, alert_id, fingerprint, rule, status, reason, severity, sequence,
    toInt32(day) AS day_, toInt32(firing_day) AS firing, toInt32(change_day) AS change, toInt32(snoozed_until) AS until,
    command_id, owner, statistic, threshold, baseline_rate, current_rate, drop_pct, historical, message
FROM alerts FINAL
WHERE tenant = {tenant:String}
  AND (partner_id IN (SELECT partner_id FROM alert_commands FINAL WHERE tenant = {tenant:String} AND done = 0)
    OR ({wake:UInt8} AND partner_id IN
        (SELECT partner_id FROM alerts WHERE tenant = {tenant:String} AND status = 'snoozed' AND snoozed_until <= {today:Date}))
    OR (partner_id = '-' AND rule = 'tenant.activity_drop'))
ORDER BY partner_id, fingerprint, sequence
