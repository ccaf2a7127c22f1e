-- The durable list of (tenant, partner, UTC day) keys whose events changed. The
-- enricher adds a mark after its events are visible and before it commits its
-- offsets; the aggregator takes keys with marked > done, recomputes them and
-- writes done = the mark that it had read. A mark that arrives meanwhile stays.
-- Partitioned by hour of the mark, so that finished hours are dropped whole.
CREATE TABLE IF NOT EXISTS dirty_days
(
    hour       DateTime('UTC') COMMENT 'Hour of the mark',
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    day        Date COMMENT 'UTC day whose events changed',
    marked     SimpleAggregateFunction(max, UInt64) COMMENT 'Latest mark, Unix nanoseconds',
    done       SimpleAggregateFunction(max, UInt64) COMMENT 'Latest mark that was worked off'
)
ENGINE = AggregatingMergeTree
PARTITION BY hour
ORDER BY (hour, tenant, partner_id, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Keys to recompute: marked > done';
