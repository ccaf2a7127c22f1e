-- A user belongs to the partner of the newest description.
SELECT
    entity_id AS user_id,
    argMax(partner, at) AS partner_id,
    argMaxIf(JSONExtractString(data, 'name'), at, JSONHas(data, 'name')) AS name,
    argMaxIf(JSONExtractString(data, 'role'), at, JSONHas(data, 'role')) AS role,
    argMaxIf(JSONExtractString(data, 'region'), at, JSONHas(data, 'region')) AS region,
    argMaxIf(JSONExtractString(data, 'status'), at, JSONHas(data, 'status')) AS status,
    parseDateTime64BestEffortOrNull(argMaxIf(JSONExtractString(data, 'joined_at'), at, JSONHas(data, 'joined_at')), 3, 'UTC') AS joined_at,
    max(time) AS updated_at
FROM
(
    SELECT entity_id, partner_id AS partner, time, (time, received_at, id) AS at, data
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND kind = 'user' AND entity_id IN ({{entities "user"}})
)
GROUP BY entity_id
