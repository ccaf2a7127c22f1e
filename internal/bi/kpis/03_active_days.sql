-- Active days
-- Days of the last 30 with somebody active, by partner.
SELECT tenant, partner_id, count() AS active_days
FROM bi.partner_daily
WHERE active_users > 0 AND day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, active_days DESC, partner_id
