-- Batches whose work tables were left behind by an interruption, and whether it is what
-- they had to do or the events that they had read. From 2^63 on they are those of
-- recomputations, which may be under way.
SELECT DISTINCT batch_id, tenant, events
FROM
(
    SELECT batch_id, tenant, 0 AS events FROM agg_keys
    UNION ALL
    SELECT batch_id, tenant, 0 FROM agg_days
    UNION ALL
    SELECT batch_id, tenant, 0 FROM agg_partners
    UNION ALL
    SELECT batch_id, tenant, 1 FROM agg_events
)
WHERE batch_id < 9223372036854775808
ORDER BY events
