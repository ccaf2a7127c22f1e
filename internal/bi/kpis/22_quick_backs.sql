-- Content: quick-backs
-- Share of the views after which the person went on within 10 seconds, last 90 days.
SELECT tenant, content_id, sum(quick_backs) AS all_quick_backs, round(sum(quick_backs) / sum(views), 3) AS quick_back_rate
FROM bi.content_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant, content_id
HAVING sum(views) > 0
ORDER BY tenant, quick_back_rate DESC, content_id
