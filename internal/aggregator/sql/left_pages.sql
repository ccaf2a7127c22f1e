-- Work tables of recomputations that were interrupted before the given number.
SELECT DISTINCT batch_id
FROM agg_partners
WHERE batch_id >= 9223372036854775808 AND batch_id < {before:UInt64}
