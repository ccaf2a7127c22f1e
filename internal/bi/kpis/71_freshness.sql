-- Freshness
-- Whether all that was accepted is counted.
SELECT tenant, dirty_keys, newest_day, scored_through, content_scored_through, rejects
FROM bi.pipeline_health
ORDER BY tenant
