-- Some partners are scored through today, and detected through yesterday.
INSERT INTO partner_progress (tenant, model_version, partner_id, scored_through, detected_through, feeds, published, first_day, ver)
SELECT
    {tenant:String}, {model:String}, concat('p-', leftPad(toString({from:UInt64} + number), 8, '0')), {today:Date}, {today:Date} - 1,
    arrayMap(x -> {today:Date} - ({days:UInt64} - 1), range(5)), '', {today:Date} - ({days:UInt64} - 1), 1
FROM numbers({n:UInt64})
