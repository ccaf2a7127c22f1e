-- What a page of a recomputation took.
SELECT
    count() AS partners, max(partner_id) AS last, countIf(from_day = {as_of:Date} AND through_day = {as_of:Date}) AS single,
    toUInt64(sum(toInt32(through_day) - toInt32(from_day) + 1)) AS score_rows
FROM agg_partners
WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
