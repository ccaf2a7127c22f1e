-- Which xAPI statements are voided, by the statements that void them. The voided
-- statement's event is in events with internal = true, so nothing is counted from it.
CREATE TABLE IF NOT EXISTS xapi_voidings
(
    tenant    LowCardinality(String) COMMENT 'Whose programme',
    portal    LowCardinality(String) COMMENT 'Which portal sent it: a statement voids those of its own portal',
    target    String COMMENT 'Id of the statement that is voided, lower case; it need not be there',
    voided_by String COMMENT 'Id of the statement that voids it'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, portal, target, voided_by)
COMMENT 'Index of voiding xAPI statements';

CREATE MATERIALIZED VIEW IF NOT EXISTS xapi_voidings_from_events TO xapi_voidings AS
SELECT tenant, portal, JSONExtractString(data, 'target_id') AS target, id AS voided_by
FROM events
WHERE source = 'xapi' AND type = 'custom.xapi.voided' AND target != '';
