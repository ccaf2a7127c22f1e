-- Alerts that are firing
-- The newest transition of each alert, where it is firing.
SELECT tenant, partner_id, rule, argMax(severity, sequence) AS level, argMax(drop_pct, sequence) AS drop, argMax(day, sequence) AS since
FROM bi.alerts
GROUP BY tenant, partner_id, rule, fingerprint
HAVING argMax(status, sequence) = 'firing'
ORDER BY tenant, partner_id, rule
