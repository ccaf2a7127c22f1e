-- Batches whose work tables were left behind by an interruption. From 2^63 on they
-- are those of recomputations, which may be under way.
SELECT DISTINCT batch_id, tenant
FROM
(
    SELECT batch_id, tenant FROM agg_keys
    UNION ALL
    SELECT batch_id, tenant FROM agg_days
    UNION ALL
    SELECT batch_id, tenant FROM agg_partners
)
WHERE batch_id < 9223372036854775808
