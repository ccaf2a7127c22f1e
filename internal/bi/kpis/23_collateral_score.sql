-- Content: collateral-consumption score
-- Newest score of every content and the points that it is the sum of.
SELECT tenant, content_id, title, as_of, score, points_reach, points_depth, points_usage, points_findability, partners_reached, partners_entitled
FROM bi.content
WHERE score IS NOT NULL
ORDER BY tenant, score DESC, content_id
