-- Content by partner: readers, depth, downloads, shares, pins, entry source mix, quick-backs
-- Over all content that a partner consumed in the last 90 days.
SELECT
    tenant, partner_id, uniqExactIf(content_id, views > 0) AS contents, sum(views) AS all_views, uniqExactArray(actors) AS all_readers,
    round(sum(engaged_ms) / 1000) AS engaged_seconds,
    if(sum(known_views) = 0, NULL, round(sum(depth_sum) / sum(known_views), 1)) AS mean_depth_pct,
    sum(downloads) AS all_downloads, sum(shares) AS all_shares, sum(pins) AS all_pins,
    sum(from_search) AS search, sum(from_browse) AS browse, sum(from_email) AS email, sum(from_link) AS link,
    sum(from_playbook) AS playbook, sum(from_unknown) AS unknown, sum(quick_backs) AS all_quick_backs
FROM bi.content_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant, partner_id
HAVING all_views + all_downloads + all_shares + all_pins > 0
ORDER BY tenant, all_views DESC, partner_id
