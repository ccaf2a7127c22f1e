-- Sessions
-- Sessions of the last 30 days, by partner: 30 minutes of inactivity end one.
SELECT tenant, partner_id, sum(sessions) AS sessions
FROM bi.partner_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, sessions DESC, partner_id
