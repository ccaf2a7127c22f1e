-- The alerts that may have to be told: open ones, and what has changed within 60 days.
SELECT tenant, alert_id, transition_id, partner_id, subject, rule, status, severity, owner, data, received_at, sequence
FROM notifier_alerts FINAL
WHERE status IN ('firing', 'acknowledged', 'snoozed') OR received_at > now() - INTERVAL 60 DAY
ORDER BY tenant, alert_id
