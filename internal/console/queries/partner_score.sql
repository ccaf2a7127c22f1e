-- The latest score row of one partner, of the model that wrote last. Score and
-- points are 0-100 and add up.
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
WHERE tenant = {tenant:String} AND partner_id = {partner_id:String}
ORDER BY as_of DESC, ver DESC
LIMIT 1
