-- Active users
-- Distinct people with an interactive event in the last 30 days, by partner.
SELECT tenant, partner_id, uniqExact(actor) AS active_users
FROM bi.user_daily
WHERE active = 1 AND day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, active_users DESC, partner_id
