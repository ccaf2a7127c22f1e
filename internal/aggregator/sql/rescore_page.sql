-- The next partners of a recomputation, and from which day each is scored: a tier
-- depends on the day before, so where the model has no row of the day before, from the
-- first day on.
INSERT INTO agg_partners (batch_id, tenant, partner_id, first_day, from_day, through_day, detect_from, detected_through, published)
WITH
    page AS
    (
        SELECT partner_id, min(day) AS first
        FROM partner_daily FINAL
        WHERE tenant = {tenant:String} AND partner_id > {after:String} AND ({end:String} = '' OR partner_id <= {end:String})
          AND day <= {to:Date} AND (events > 0 OR upserts > 0)
        GROUP BY partner_id
        ORDER BY partner_id
        LIMIT {page:UInt64}
    ),
    known AS
    (
        SELECT partner_id
        FROM partner_scores FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String} AND as_of = {from:Date} - 1
          AND partner_id IN (SELECT partner_id FROM page)
    )
SELECT
    {batch:UInt64}, {tenant:String}, partner_id, first,
    if(first >= {from:Date} OR partner_id NOT IN (SELECT partner_id FROM known), first, {from:Date}),
    {to:Date}, toDate(65535), toDate(0), ''
FROM page
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1
