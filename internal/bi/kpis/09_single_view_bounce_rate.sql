-- Bounce rate (single view)
-- Share of the sessions of one view and no other event (as Plausible counts), last 30 days.
SELECT tenant, partner_id, round(sum(single_view_bounces) / sum(sessions), 3) AS single_view_bounce_rate
FROM bi.partner_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
HAVING sum(sessions) > 0
ORDER BY tenant, partner_id
