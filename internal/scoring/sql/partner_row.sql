-- The stored score of one partner on a day.
SELECT
    ifNull(toInt64(score * 1000000), -1) AS millionths, tier AS level,
    [
        toInt64(points_activity * 1000000), toInt64(points_content * 1000000), toInt64(points_training * 1000000),
        toInt64(points_pipeline * 1000000), toInt64(points_sentiment * 1000000)
    ] AS points
FROM partner_scores FINAL
WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id = {partner:String} AND as_of = {as_of:Date}
