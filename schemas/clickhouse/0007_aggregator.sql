-- How far each partner has been worked off. A row is written when scores,
-- detection and messages are done, and before the marks are; so whatever was
-- interrupted, or has fallen behind (a new day, a new model, a feed that began
-- earlier than known), shows here and is done again.
CREATE TABLE IF NOT EXISTS partner_progress
(
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    model_version    LowCardinality(String) COMMENT 'Version of the score model',
    partner_id       String COMMENT 'The partner',
    scored_through   Date COMMENT 'Last as_of with a score',
    detected_through Date COMMENT 'Last completed day that detection has seen; 1970-01-01: none',
    feeds            Array(Date) COMMENT 'First day of each feed of the tenant that the scores were computed with',
    published        String COMMENT 'Hash of the score last published, empty: none',
    ver              UInt64 COMMENT 'Rows of partner_daily up to this batch are included, Unix nanoseconds'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, model_version, partner_id)
COMMENT 'Progress of the aggregator by partner, exact with FINAL';

-- Work tables of one batch; its partition is dropped when the batch is done.
CREATE TABLE IF NOT EXISTS agg_keys
(
    batch_id   UInt64 COMMENT 'The batch, Unix nanoseconds of its start',
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    day        Date COMMENT 'UTC day whose events changed; 1970-01-01 for a partner that has fallen behind',
    hour       DateTime('UTC') COMMENT 'Hour of the mark',
    marked     UInt64 COMMENT 'The marks that were counted; 0 for a partner that has fallen behind'
)
ENGINE = MergeTree
PARTITION BY batch_id
ORDER BY (tenant, partner_id, day)
COMMENT 'Keys of a batch';

CREATE TABLE IF NOT EXISTS agg_days
(
    batch_id   UInt64 COMMENT 'The batch',
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    day        Date COMMENT 'Local day to recompute'
)
ENGINE = MergeTree
PARTITION BY batch_id
ORDER BY (tenant, partner_id, day)
COMMENT 'Local days that a batch recomputes';

CREATE TABLE IF NOT EXISTS agg_partners
(
    batch_id         UInt64 COMMENT 'The batch',
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    partner_id       String COMMENT 'The partner',
    first_day        Date COMMENT 'First day with a counted event',
    from_day         Date COMMENT 'First as_of to score again',
    through_day      Date COMMENT 'Last as_of to score: today, or what was scored before if that is later',
    detect_from      Date COMMENT 'First day that detection has to see again',
    detected_through Date COMMENT 'detected_through of the progress before',
    published        String COMMENT 'published of the progress before'
)
ENGINE = MergeTree
PARTITION BY batch_id
ORDER BY (tenant, partner_id)
COMMENT 'Partners that a batch scores and how far back';
