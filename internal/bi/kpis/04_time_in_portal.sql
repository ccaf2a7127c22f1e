-- Time in the portal
-- Minutes between first and last event of the sessions of the last 30 days; time within two sessions of a person counts once.
SELECT tenant, partner_id, round(sum(portal_ms) / 60000, 1) AS minutes_in_portal
FROM bi.user_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, minutes_in_portal DESC, partner_id
