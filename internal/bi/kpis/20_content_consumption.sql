-- Content: views, readers, partners reached, engaged time, depth, downloads, shares, pins
-- By content, last 90 days. Engaged time and depth are of the views that reported them.
SELECT
    tenant, content_id, sum(views) AS all_views, uniqExactArray(actors) AS all_readers, uniqExactIf(partner_id, views > 0) AS partners_reached,
    round(sum(engaged_ms) / 1000) AS engaged_seconds,
    if(sum(known_views) = 0, NULL, round(sum(depth_sum) / sum(known_views), 1)) AS mean_depth_pct,
    sum(downloads) AS all_downloads, sum(shares) AS all_shares, sum(pins) AS all_pins
FROM bi.content_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant, content_id
ORDER BY tenant, all_views DESC, content_id
