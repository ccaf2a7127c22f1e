-- The durable list of (tenant, partner, UTC day) keys whose events changed. The
-- enricher adds a mark after its events are visible and before it commits its
-- offsets. A key is dirty while it has more marks than were worked off: the
-- aggregator counts the marks, recomputes the key, and writes done = that count. A
-- mark that arrives meanwhile makes the count larger, and so the key stays dirty;
-- marks are counted, not compared by time, so clocks that differ lose none. A mark
-- that was written twice costs a recomputation and changes nothing.
-- Partitioned by hour of the mark, so that finished hours are dropped whole.
CREATE TABLE IF NOT EXISTS dirty_days
(
    hour       DateTime('UTC') COMMENT 'Hour of the mark',
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    day        Date COMMENT 'UTC day whose events changed',
    marked     SimpleAggregateFunction(sum, UInt64) COMMENT 'How many marks were set',
    done       SimpleAggregateFunction(max, UInt64) COMMENT 'How many of them were worked off'
)
ENGINE = AggregatingMergeTree
PARTITION BY hour
ORDER BY (hour, tenant, partner_id, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Keys to recompute: marked > done';
