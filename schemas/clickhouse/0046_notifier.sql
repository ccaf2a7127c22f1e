-- What the notifier has read from the alert topics: the newest transition of each
-- alert. A repetition and an older transition change nothing.
CREATE TABLE IF NOT EXISTS notifier_alerts
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    alert_id      String COMMENT 'Identity of the episode',
    transition_id String COMMENT 'Identity of the newest transition, the id of the message',
    partner_id    String COMMENT 'The partner; - for what concerns no single one',
    subject       String COMMENT 'The partner, the content or the search term',
    rule          LowCardinality(String) COMMENT 'What was noticed',
    status        LowCardinality(String) COMMENT 'firing, acknowledged, snoozed, resolved or rebaselined',
    severity      LowCardinality(String) COMMENT 'info, warning or critical',
    owner         String COMMENT 'The channel manager; empty: nobody is named',
    data          String COMMENT 'The alert as in the message, JSON' CODEC(ZSTD(3)),
    received_at   DateTime64(3, 'UTC') COMMENT 'When the notifier read it',
    sequence      UInt64 COMMENT 'Number of the transition; the highest counts'
)
ENGINE = ReplacingMergeTree(sequence)
ORDER BY (tenant, alert_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 -- written before the offset is committed
COMMENT 'Alerts as the notifier knows them, exact with FINAL';

-- Messages to endpoints. A row is written before the first attempt, so that a
-- message whose outcome was lost is sent again under the same id.
CREATE TABLE IF NOT EXISTS notifier_deliveries
(
    endpoint    LowCardinality(String) COMMENT 'Name of the endpoint',
    delivery_id String COMMENT 'The webhook-id: the same for every attempt',
    tenant      LowCardinality(String) COMMENT 'Whose programme',
    owner       String COMMENT 'The channel manager that it is about',
    alert_ids   Array(String) COMMENT 'The alerts in it',
    sequences   Array(UInt64) COMMENT 'The transition of each',
    body        String COMMENT 'What is sent, JSON' CODEC(ZSTD(3)),
    status      LowCardinality(String) COMMENT 'queued, delivered or dead',
    attempts    UInt32 COMMENT 'Attempts so far',
    next_at     DateTime64(3, 'UTC') COMMENT 'queued: not before',
    last_error  String COMMENT 'Why the last attempt failed',
    created_at  DateTime64(3, 'UTC') COMMENT 'When it was composed',
    updated_at  DateTime64(3, 'UTC') COMMENT 'When the status was written',
    ver         UInt64 COMMENT 'The newest row counts, Unix nanoseconds'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (endpoint, delivery_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 -- written before it is sent
COMMENT 'Messages of the notifier and their fate, exact with FINAL';

-- Endpoints that answered 410 Gone.
CREATE TABLE IF NOT EXISTS notifier_endpoints
(
    endpoint   LowCardinality(String) COMMENT 'Name of the endpoint',
    url_hash   String COMMENT 'Hash of its address: another address is another endpoint',
    disabled   UInt8 COMMENT '1: nothing is sent',
    reason     String COMMENT 'Why',
    updated_at DateTime64(3, 'UTC') COMMENT 'When that was decided',
    ver        UInt64 COMMENT 'The newest row counts, Unix nanoseconds'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (endpoint, url_hash)
COMMENT 'Endpoints that do not want messages any more, exact with FINAL';
