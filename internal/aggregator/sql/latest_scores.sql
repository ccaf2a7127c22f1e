-- The batch's partners with their newest score and the progress before.
WITH p AS
(
    SELECT partner_id, first_day, through_day, detected_through, published
    FROM agg_partners
    WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
)
SELECT
    p.partner_id AS partner_id, toInt32(p.first_day) AS first, toInt32(p.through_day) AS through, toInt32(p.detected_through) AS detected,
    p.published AS published, s.model_version != '' AS present,
    toInt32(s.as_of) AS as_of, if(isNull(s.score), '', toString(s.score)) AS score, s.tier AS tier,
    toString(s.coverage) AS coverage,
    [toString(s.s_activity), toString(s.s_content), toString(s.s_training), toString(s.s_pipeline), toString(s.s_sentiment)] AS sub_scores,
    [toString(s.points_activity), toString(s.points_content), toString(s.points_training), toString(s.points_pipeline), toString(s.points_sentiment)] AS points,
    [s.imputed_activity, s.imputed_content, s.imputed_training, s.imputed_pipeline, s.imputed_sentiment] AS imputed
FROM p
LEFT JOIN
(
    SELECT *
    FROM partner_scores FINAL
    WHERE tenant = {tenant:String} AND model_version = {model:String}
      AND (partner_id, as_of) IN (SELECT partner_id, through_day FROM p)
) AS s ON s.partner_id = p.partner_id
ORDER BY partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
