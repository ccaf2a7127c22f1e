-- What the detector knew at the end of each completed local day. A late event
-- re-runs it from the last day that the event does not touch.
CREATE TABLE IF NOT EXISTS detector_state
(
    tenant             LowCardinality(String) COMMENT 'Whose programme',
    partner_id         String COMMENT 'The partner',
    day                Date COMMENT 'Completed day in the tenant''s time zone',
    config             LowCardinality(String) COMMENT 'Hash of the detector''s configuration',
    sessions           UInt64 COMMENT 'Sessions of the day',
    expected           Float64 COMMENT 'Sessions expected on the day',
    baseline_rate      Float64 COMMENT 'Estimated sessions per average day',
    armed              UInt8 COMMENT '1: enough history to fire',
    drop_status        LowCardinality(String) COMMENT 'sessions_drop: ok, pending or firing',
    drop_statistic     Float64 COMMENT 'sessions_drop: CUSUM, nats',
    drop_threshold     Float64 COMMENT 'sessions_drop: fires from here, nats',
    ghosting_status    LowCardinality(String) COMMENT 'ghosting: ok, pending or firing',
    ghosting_statistic Float64 COMMENT 'ghosting: sessions missed since last seen, nats',
    ghosting_threshold Float64 COMMENT 'ghosting: fires from here, nats',
    never_status       LowCardinality(String) COMMENT 'never_activated: ok, pending or firing',
    state              String COMMENT 'The detector''s state after the day, JSON' CODEC(ZSTD(3)),
    ver                UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day)
COMMENT 'Detection by partner and completed day, exact with FINAL';

-- Every transition of every alert that people may hear of. A row is written after
-- its message is durable on the topic, so nothing recorded is published again.
CREATE TABLE IF NOT EXISTS alerts
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    partner_id    String COMMENT 'The partner',
    transition_id String COMMENT 'Identity of the transition, the id of the message',
    alert_id      String COMMENT 'Identity of the episode',
    fingerprint   String COMMENT 'Identity of tenant, partner, rule and component',
    rule          LowCardinality(String) COMMENT 'sessions_drop, ghosting or never_activated',
    status        LowCardinality(String) COMMENT 'firing, resolved or rebaselined',
    severity      LowCardinality(String) COMMENT 'info, warning or critical',
    sequence      UInt32 COMMENT 'Number of the transition of this rule and partner, from 1',
    day           Date COMMENT 'Last day that was counted when the status changed',
    firing_day    Date COMMENT 'Day on which the episode fired',
    change_day    Date COMMENT 'Estimated first day of the new level',
    statistic     Float64 COMMENT 'Statistic on the day, nats (days for never_activated)',
    threshold     Float64 COMMENT 'Threshold, same unit',
    baseline_rate Float64 COMMENT 'Sessions per average day before the change',
    current_rate  Float64 COMMENT 'Sessions per average day since',
    drop_pct      Float64 COMMENT 'Estimated drop, per cent',
    published     UInt8 COMMENT '1: on the topic',
    historical    UInt8 COMMENT '1: too old to tell when it was found, not published',
    message       String COMMENT 'The message, JSON; empty when historical' CODEC(ZSTD(3)),
    recorded_at   DateTime64(3, 'UTC') COMMENT 'When this row was written',
    ver           UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, partner_id, transition_id)
COMMENT 'Transitions of alerts, exact with FINAL';
