-- Bounce rate (GA4)
-- Share of the sessions that were not engaged, last 30 days.
SELECT tenant, partner_id, round(sum(ga4_bounces) / sum(sessions), 3) AS ga4_bounce_rate
FROM bi.partner_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
HAVING sum(sessions) > 0
ORDER BY tenant, partner_id
