-- What GET /xapi/statements selects by: verb, activity, registration, agent. People
-- are digests here, so that the table still holds no data of people.
ALTER TABLE xapi_statements
    ADD COLUMN IF NOT EXISTS verb               LowCardinality(String) COMMENT 'IRI of the verb',
    ADD COLUMN IF NOT EXISTS activity           String COMMENT 'IRI of the activity that it is about, empty when it is about none',
    ADD COLUMN IF NOT EXISTS registration       String COMMENT 'context.registration, lower case',
    ADD COLUMN IF NOT EXISTS agents             Array(UInt64) COMMENT 'sipHash64 of the keys of actor and object, and of members of such groups',
    ADD COLUMN IF NOT EXISTS related_agents     Array(UInt64) COMMENT 'The same of authority, instructor and team, and of all of a SubStatement',
    ADD COLUMN IF NOT EXISTS related_activities Array(String) COMMENT 'IRIs of the context''s activities and of all of a SubStatement';

-- The key of an agent is "account HOMEPAGE NAME", the mbox, "openid URI" or
-- "sha1 DIGEST", as internal/xapi/facets.go makes it; what identifies nobody has ''.
CREATE MATERIALIZED VIEW IF NOT EXISTS xapi_selection_from_events TO xapi_statements AS
WITH
    JSONExtractRaw(data, 'statement') AS statement,
    JSONExtractRaw(statement, 'object') AS object,
    JSONExtractRaw(statement, 'context') AS context,
    if(JSONExtractString(object, 'objectType') = 'SubStatement', object, '') AS sub,
    JSONExtractRaw(sub, 'context') AS sub_context,
    [JSONExtractRaw(statement, 'actor'), if(JSONExtractString(object, 'objectType') IN ('Agent', 'Group'), object, '')] AS direct,
    [JSONExtractRaw(context, 'instructor'), JSONExtractRaw(context, 'team'), JSONExtractRaw(sub, 'actor'), JSONExtractRaw(sub, 'object'),
     JSONExtractRaw(sub_context, 'instructor'), JSONExtractRaw(sub_context, 'team')] AS around,
    [JSONExtractRaw(context, 'contextActivities'), JSONExtractRaw(sub_context, 'contextActivities')] AS activity_lists,
    -- A list of one may be written as its only element.
    arrayFlatten(arrayMap(l -> arrayMap(k -> arrayConcat(JSONExtractArrayRaw(l, k), [JSONExtractRaw(l, k)]),
        ['parent', 'grouping', 'category', 'other']), activity_lists)) AS activities
SELECT
    tenant, id, portal, received_at, partner_id, day,
    JSONExtractString(statement, 'verb', 'id') AS verb,
    if(JSONExtractString(object, 'objectType') IN ('', 'Activity'), JSONExtractString(object, 'id'), '') AS activity,
    lower(JSONExtractString(context, 'registration')) AS registration,
    arrayMap(k -> sipHash64(k), arrayFilter(k -> k != '', arrayMap(a -> multiIf(
        JSONHas(a, 'account'), concat('account ', JSONExtractString(a, 'account', 'homePage'), ' ', JSONExtractString(a, 'account', 'name')),
        JSONHas(a, 'mbox'), JSONExtractString(a, 'mbox'),
        JSONHas(a, 'openid'), concat('openid ', JSONExtractString(a, 'openid')),
        JSONHas(a, 'mbox_sha1sum'), concat('sha1 ', lower(JSONExtractString(a, 'mbox_sha1sum'))), ''),
        arrayConcat(direct, arrayFlatten(arrayMap(g -> JSONExtractArrayRaw(g, 'member'), direct)))))) AS agents,
    arrayMap(k -> sipHash64(k), arrayPushBack(arrayFilter(k -> k != '', arrayMap(a -> multiIf(
        JSONHas(a, 'account'), concat('account ', JSONExtractString(a, 'account', 'homePage'), ' ', JSONExtractString(a, 'account', 'name')),
        JSONHas(a, 'mbox'), JSONExtractString(a, 'mbox'),
        JSONHas(a, 'openid'), concat('openid ', JSONExtractString(a, 'openid')),
        JSONHas(a, 'mbox_sha1sum'), concat('sha1 ', lower(JSONExtractString(a, 'mbox_sha1sum'))), ''),
        arrayConcat(around, arrayFlatten(arrayMap(g -> JSONExtractArrayRaw(g, 'member'), around))))),
        concat('account https://schemas.partnerpulse.dev/xapi/keys ', key_id))) AS related_agents,
    arrayFilter(i -> i != '', arrayPushBack(arrayMap(a -> JSONExtractString(a, 'id'), activities),
        if(JSONExtractString(sub, 'object', 'objectType') IN ('', 'Activity'), JSONExtractString(sub, 'object', 'id'), ''))) AS related_activities
FROM events
WHERE source = 'xapi';

DROP VIEW IF EXISTS xapi_statements_from_events;

-- Statements from before are found by verb, activity, registration and actor; by
-- what is related only those that come from now on.
INSERT INTO xapi_statements (tenant, id, portal, received_at, partner_id, day, verb, activity, registration, agents)
WITH
    JSONExtractRaw(data, 'statement') AS statement,
    JSONExtractRaw(statement, 'object') AS object,
    JSONExtractRaw(statement, 'actor') AS actor
SELECT
    tenant, id, portal, received_at, partner_id, day,
    JSONExtractString(statement, 'verb', 'id'),
    if(JSONExtractString(object, 'objectType') IN ('', 'Activity'), JSONExtractString(object, 'id'), ''),
    lower(JSONExtractString(statement, 'context', 'registration')),
    [sipHash64(multiIf(
        JSONHas(actor, 'account'), concat('account ', JSONExtractString(actor, 'account', 'homePage'), ' ', JSONExtractString(actor, 'account', 'name')),
        JSONHas(actor, 'mbox'), JSONExtractString(actor, 'mbox'),
        JSONHas(actor, 'openid'), concat('openid ', JSONExtractString(actor, 'openid')),
        concat('sha1 ', lower(JSONExtractString(actor, 'mbox_sha1sum')))))]
FROM events FINAL
WHERE source = 'xapi';
