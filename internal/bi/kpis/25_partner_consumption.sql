-- Content by partner
-- What each partner consumed in the last 90 days.
SELECT tenant, partner_id, content_id, views, readers, round(engaged_ms / 1000) AS engaged_seconds, mean_depth, uses, last_day
FROM bi.partner_content
ORDER BY tenant, partner_id, views DESC, content_id
