-- Batches whose work tables were left behind by an interruption.
SELECT DISTINCT batch_id FROM agg_keys
UNION DISTINCT
SELECT DISTINCT batch_id FROM agg_days
UNION DISTINCT
SELECT DISTINCT batch_id FROM agg_partners
