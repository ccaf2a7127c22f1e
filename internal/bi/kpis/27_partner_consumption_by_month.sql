-- Content by partner, month by month
-- What each partner consumed in the 90 days up to the end of each month of the last year.
SELECT tenant, as_of, partner_id, content_id, views, readers, round(engaged_ms / 1000) AS engaged_seconds, mean_depth, uses
FROM bi.partner_content_history
WHERE as_of > today() - 365
ORDER BY tenant, as_of, partner_id, views DESC, content_id
