SELECT
    entity_id AS course_id,
    argMaxIf(JSONExtractString(data, 'title'), at, JSONHas(data, 'title')) AS title,
    argMaxIf(JSONExtractString(data, 'kind'), at, JSONHas(data, 'kind')) AS kind,
    toUInt32(argMaxIf(JSONExtractFloat(data, 'duration_s'), at, JSONHas(data, 'duration_s'))) AS duration_s,
    argMaxIf(JSONExtract(data, 'audience', 'Array(String)'), at, JSONHas(data, 'audience')) AS audience,
    min(time) AS published_at,
    max(time) AS updated_at
FROM
(
    SELECT entity_id, time, (time, received_at, id) AS at, data
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND entity_events.kind = 'course' AND entity_id IN ({{entities "course"}})
)
GROUP BY entity_id
