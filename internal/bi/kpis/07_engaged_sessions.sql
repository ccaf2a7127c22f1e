-- Engaged sessions
-- Share of the sessions with more than 10 s engaged, a key event, or two views (GA4), last 30 days.
SELECT
    tenant, partner_id, sum(d.engaged_sessions) AS engaged_sessions, round(sum(d.engaged_sessions) / sum(d.sessions), 3) AS engagement_rate
FROM bi.partner_daily AS d
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
HAVING sum(d.sessions) > 0
ORDER BY tenant, partner_id
