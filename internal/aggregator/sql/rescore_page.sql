-- The next partners of a recomputation, and from which day each is scored: a tier
-- depends on the day before, so where the model has no row of the day before, from the
-- first day on. Where a history begins is in the aggregator's progress, of whatever
-- model. It is looked up for those of whom it may have changed since, is not noted, or is
-- not there: their batch was not complete, so they have open keys. Without any
-- progress, for all.
INSERT INTO agg_partners (batch_id, tenant, partner_id, first_day, from_day, through_day, detect_from, detected_through, published)
WITH
    progress AS
    (
        SELECT partner_id, argMax(first_day, ver) AS noted, max(partner_progress.ver) AS newest
        FROM partner_progress
        WHERE tenant = {tenant:String} AND partner_id > {after:String} AND ({end:String} = '' OR partner_id <= {end:String})
        GROUP BY partner_id
    ),
    unsure AS
    (
        SELECT partner_id FROM progress WHERE noted = toDate(0)
        UNION ALL
        SELECT DISTINCT d.partner_id
        FROM partner_daily AS d
        INNER JOIN progress AS r ON r.partner_id = d.partner_id
        WHERE d.tenant = {tenant:String} AND d.partner_id > {after:String} AND ({end:String} = '' OR d.partner_id <= {end:String})
          AND d.ver > (SELECT min(newest) FROM progress) AND d.ver > r.newest AND d.day <= r.noted
        UNION ALL
        SELECT partner_id
        FROM dirty_days
        WHERE tenant = {tenant:String} AND partner_id > {after:String} AND ({end:String} = '' OR partner_id <= {end:String})
        GROUP BY hour, partner_id, day
        HAVING sum(marked) > max(done)
    ),
    begun AS
    (
        SELECT partner_id, min(day) AS first
        FROM partner_daily FINAL
        WHERE tenant = {tenant:String} AND partner_id > {after:String} AND ({end:String} = '' OR partner_id <= {end:String})
          AND ({anew:UInt8} OR partner_id IN (SELECT partner_id FROM unsure))
          AND day <= {to:Date} AND (events > 0 OR upserts > 0)
        GROUP BY partner_id
    ),
    page AS
    (
        SELECT partner_id, first
        FROM
        (
            SELECT partner_id, noted AS first
            FROM progress
            WHERE NOT {anew:UInt8} AND noted <= {to:Date} AND partner_id NOT IN (SELECT partner_id FROM unsure)
            UNION ALL
            SELECT partner_id, first FROM begun
        )
        ORDER BY partner_id
        LIMIT {page:UInt64}
    ),
    known AS
    (
        SELECT partner_id
        FROM partner_scores FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String} AND as_of = {from:Date} - 1
          AND partner_id > {after:String} AND ({end:String} = '' OR partner_id <= {end:String})
    )
SELECT
    {batch:UInt64}, {tenant:String}, partner_id, first,
    if(first >= {from:Date} OR partner_id NOT IN (SELECT partner_id FROM known), first, {from:Date}),
    {to:Date}, toDate(65535), toDate(0), ''
FROM page
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
