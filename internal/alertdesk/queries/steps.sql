-- The life of one alert.
SELECT transition_id, sequence, status, reason, toString(day) AS day_, actor, published = 1 AS published_, recorded_at
FROM alerts FINAL
WHERE tenant = {tenant:String} AND alert_id = {alert:String}
ORDER BY sequence
