-- The feeds that the partner's scores were computed with, none if there are no scores.
SELECT arrayMap(x -> toInt32(x), feeds) AS days
FROM partner_progress FINAL
WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id = {partner:String}
