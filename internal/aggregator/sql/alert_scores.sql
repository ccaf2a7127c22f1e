-- The scores of partners on given days, pairwise.
SELECT
    partner_id, toInt32(as_of) AS day, ifNull(toInt64(score * 1000000), -1) AS score,
    [
        toInt64(points_activity * 1000000), toInt64(points_content * 1000000), toInt64(points_training * 1000000),
        toInt64(points_pipeline * 1000000), toInt64(points_sentiment * 1000000)
    ] AS points
FROM partner_scores FINAL
WHERE tenant = {tenant:String} AND model_version = {model:String}
  AND (partner_id, as_of) IN
      (SELECT pair.1, toDate(pair.2) FROM (SELECT arrayJoin(arrayZip({partners:Array(String)}, {days:Array(Int32)})) AS pair))
