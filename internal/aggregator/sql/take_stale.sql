-- Partners that have fallen behind: a new day began, a day became complete, a feed
-- began earlier than known, a day means something else to all partners, or the model
-- is new.
INSERT INTO agg_keys (batch_id, tenant, partner_id, day, hour, marked)
SELECT {batch:UInt64}, {tenant:String}, partner_id, toDate(0), toDateTime(0, 'UTC'), 0
FROM
(
    SELECT partner_id
    FROM partner_progress FINAL
    WHERE tenant = {tenant:String} AND model_version = {model:String}
      AND (scored_through < {today:Date}
        OR detected_through < {complete:Date}
        OR ver < {tenant_ver:UInt64}
        OR feeds != arrayMap(x -> toDate(x), {feeds:Array(String)}))
    UNION DISTINCT
    SELECT partner_id
    FROM partner_daily
    WHERE tenant = {tenant:String} AND {unknown:UInt8} AND partner_id NOT IN
    (
        SELECT partner_id
        FROM partner_progress
        WHERE tenant = {tenant:String} AND model_version = {model:String}
    )
    GROUP BY partner_id
)
ORDER BY partner_id
LIMIT {keys_max:UInt64}
