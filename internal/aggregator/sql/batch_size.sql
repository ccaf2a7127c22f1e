-- What a batch took, and bounds of the local days that its keys can change.
SELECT
    countIf(marked > 0) AS keys,
    uniqExact(partner_id) AS partners,
    countIf(marked = 0) AS stale,
    toInt32(minIf(day, marked > 0)) AS first,
    toInt32(greatest(toInt32(minIf(day, marked > 0)) - 2, 3)) AS low,
    toInt32(maxIf(day, marked > 0) + 3) AS high
FROM agg_keys
WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
