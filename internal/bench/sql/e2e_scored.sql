-- The highest sub-score that a row of each probing partner has ever had: it rises with
-- every probe, so it tells which one a row includes. Thousandths of a point.
SELECT partner_id, toUInt64(max(s_pipeline) * 1000) AS n
FROM partner_scores
WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id >= {first:String} AND partner_id <= {last:String}
GROUP BY partner_id
