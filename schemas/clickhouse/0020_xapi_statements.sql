-- Where the xAPI statements of a tenant are in events, by statement id and by
-- arrival: GET /xapi/statements and the check for known ids look here first. It
-- holds no data of people, and nothing is counted from it: a missing row means only
-- that a statement is not found.
CREATE TABLE IF NOT EXISTS xapi_statements
(
    tenant      LowCardinality(String) COMMENT 'Whose programme',
    id          String COMMENT 'The statement''s id, lower case',
    portal      LowCardinality(String) COMMENT 'Which portal sent it',
    received_at DateTime64(3, 'UTC') COMMENT 'When it was taken',
    partner_id  String COMMENT 'Key of the event',
    day         Date COMMENT 'Key of the event'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, id, partner_id, day)
COMMENT 'Index of events with the source xapi';

CREATE MATERIALIZED VIEW IF NOT EXISTS xapi_statements_from_events TO xapi_statements AS
SELECT tenant, id, portal, received_at, partner_id, day
FROM events
WHERE source = 'xapi';
