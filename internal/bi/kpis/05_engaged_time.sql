-- Engaged time
-- Minutes visible and focused in the last 30 days, and the share of views that reported it: unknown is not 0.
SELECT
    tenant, partner_id,
    if(sum(engaged_views) = 0, NULL, round(sum(engaged_ms) / 60000, 1)) AS engaged_minutes,
    round(sum(engaged_views) / greatest(sum(session_views), 1), 3) AS known_share
FROM bi.partner_daily
WHERE day > today() - 30 AND day <= today()
GROUP BY tenant, partner_id
ORDER BY tenant, partner_id
