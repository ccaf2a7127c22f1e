-- What each partner consumed of each content up to a day, weighed by age.
INSERT INTO agg_consumed (batch_id, content_id, partner_id, first, viewed, uses, shown, clicks, quality, weight)
SELECT
    {batch:UInt64}, content_id, partner_id, min(day),
    sumIf(views, age < {window:Int32}), sumIf(downloads + shares + pins, age < {window:Int32}),
    sumIf(impressions, age < {window:Int32}), sumIf(search_clicks, age < {window:Int32}),
    sum(toInt256(quality) * decay), sum(toInt256(views) * decay)
FROM
(
    SELECT *, toInt32({as_of:Date} - day) AS age, {weights:Array(Int64)}[age + 1] AS decay
    FROM content_daily FINAL
    WHERE tenant = {tenant:String} AND day <= {as_of:Date} AND day > {as_of:Date} - length({weights:Array(Int64)})
)
GROUP BY content_id, partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
