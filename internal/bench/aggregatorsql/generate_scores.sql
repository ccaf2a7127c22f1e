-- A score of yesterday for some partners: what the next one goes on from.
INSERT INTO partner_scores (tenant, model_version, partner_id, as_of, score, tier, coverage, ver)
SELECT
    {tenant:String}, {model:String}, concat('p-', leftPad(toString({from:UInt64} + number), 8, '0')), {today:Date} - 1, 60, 'steady', 1, 1
FROM numbers({n:UInt64})
