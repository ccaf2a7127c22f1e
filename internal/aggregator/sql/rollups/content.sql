SELECT
    entity_id AS content_id,
    argMaxIf(JSONExtractString(data, 'title'), at, JSONHas(data, 'title')) AS title,
    argMaxIf(JSONExtractString(data, 'kind'), at, JSONHas(data, 'kind')) AS kind,
    toUInt32(argMaxIf(JSONExtractFloat(data, 'words'), at, JSONHas(data, 'words'))) AS words,
    toUInt32(argMaxIf(JSONExtractFloat(data, 'pages'), at, JSONHas(data, 'pages'))) AS pages,
    toUInt32(argMaxIf(JSONExtractFloat(data, 'duration_s'), at, JSONHas(data, 'duration_s'))) AS duration_s,
    argMaxIf(JSONExtractString(data, 'owner'), at, JSONHas(data, 'owner')) AS owner,
    argMaxIf(JSONExtract(data, 'audience', 'Array(String)'), at, JSONHas(data, 'audience')) AS audience,
    coalesce(
        parseDateTime64BestEffortOrNull(argMaxIf(JSONExtractString(data, 'published_at'), at, JSONHas(data, 'published_at')), 3, 'UTC'),
        minOrNullIf(time, published)) AS published_at,
    if(maxIf(at, NOT published) > maxIf(at, published), maxOrNullIf(time, NOT published), NULL) AS retired_at,
    max(time) AS updated_at
FROM
(
    SELECT entity_id, type = 'content.published' AS published, time, (time, received_at, id) AS at, data
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND entity_events.kind = 'content' AND entity_id IN ({{entities "content"}})
)
GROUP BY entity_id
