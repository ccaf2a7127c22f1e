-- The latest score row of each partner, best first. A partner without a row of
-- the last month is no longer shown.
SELECT *
FROM
(
    SELECT
        partner_id,
        as_of,
        model_version,
        toFloat64(score) AS score_value,
        tier,
        toFloat64(coverage) AS coverage_value,
        toFloat64(points_activity) AS activity,
        toFloat64(points_content) AS content,
        toFloat64(points_training) AS training,
        toFloat64(points_pipeline) AS pipeline,
        toFloat64(points_sentiment) AS sentiment,
        arrayFilter(
            name -> name != '',
            [
                if(imputed_activity = 1, 'activity', ''),
                if(imputed_content = 1, 'content', ''),
                if(imputed_training = 1, 'training', ''),
                if(imputed_pipeline = 1, 'pipeline', ''),
                if(imputed_sentiment = 1, 'sentiment', '')
            ]
        ) AS imputed
    FROM partner_scores FINAL
    WHERE tenant = {tenant:String} AND as_of >= today() - 31
    ORDER BY as_of DESC, ver DESC
    LIMIT 1 BY partner_id
)
ORDER BY score_value DESC NULLS LAST, partner_id
LIMIT {most:UInt32}
