-- Every refused event, as it is on engagement.rejects.v1: why, where, and its
-- original bytes, for people who look and for `partnerpulse replay`. One record of
-- the topic is one row: the id is made of its place, so that a record that is read
-- again replaces its own row. Rows go after 90 days.
CREATE TABLE IF NOT EXISTS rejects
(
    tenant       LowCardinality(String) COMMENT 'Whose programme; empty when the record does not say',
    day          Date COMMENT 'UTC day of rejected_at',
    code         LowCardinality(String) COMMENT 'Why, for programs: docs/COLLECTOR.md lists the codes',
    id           UInt64 COMMENT 'Hash of topic, partition and offset of the record on the rejects topic',
    rejected_at  DateTime64(3, 'UTC') COMMENT 'When it was refused; of an event of the collector, when it arrived',
    stage        LowCardinality(String) COMMENT 'Who refused it: collector or enricher; rejects: the record itself cannot be read',
    portal       LowCardinality(String) COMMENT 'Which portal sent it',
    key_id       LowCardinality(String) COMMENT 'Which key was used',
    source       LowCardinality(String) COMMENT 'Way in: tracker, api, segment, xapi, cloudevents, pixel',
    event_id     String COMMENT 'The event''s id, when it could be read or was made',
    event_type   String COMMENT 'The event''s type, when it could be read',
    pointer      String COMMENT 'JSON Pointer to what is wrong; empty is the event itself',
    message      String COMMENT 'What is wrong and how to mend it',
    event_topic     LowCardinality(String) COMMENT 'Refused by the enricher: topic of the event',
    event_partition Int32 COMMENT 'Refused by the enricher: partition of the event',
    event_offset    Int64 COMMENT 'Refused by the enricher: offset of the event',
    original     String COMMENT 'The bytes as received, not only UTF-8' CODEC(ZSTD),
    truncated    Bool COMMENT 'Only the first part of the bytes is kept',
    topic        LowCardinality(String) COMMENT 'Topic of this reject',
    partition    Int32 COMMENT 'Partition of this reject',
    offset       Int64 COMMENT 'Offset of this reject'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, code, id)
TTL day + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Refused events, one row a record of engagement.rejects.v1; read with FINAL';
