-- Logins
-- Successful portal logins of the last 30 days, by partner.
SELECT tenant, partner_id, sum(logins) AS logins
FROM bi.partner_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, logins DESC, partner_id
