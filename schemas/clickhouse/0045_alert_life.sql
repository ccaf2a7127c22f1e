-- The life of an alert beside its rule: who asked for what, until when it is quiet,
-- why a status changed, which alert says more.
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS subject String DEFAULT partner_id COMMENT 'The partner, the content or the search term' AFTER partner_id;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS reason LowCardinality(String) DEFAULT '' COMMENT 'Why: fired, recovered, accepted, command, snooze_ended, retracted, reinstated' AFTER status;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS snoozed_until Date DEFAULT toDate(0) COMMENT 'Day on which a snoozed alert speaks again; 1970-01-01: not snoozed' AFTER change_day;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS command_id String DEFAULT '' COMMENT 'The command that made the transition; empty: none' AFTER snoozed_until;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS actor String DEFAULT '' COMMENT 'Who gave the command' AFTER command_id;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS inhibited_by Array(String) DEFAULT [] COMMENT 'Open alerts that say more, at the transition' AFTER actor;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS owner String DEFAULT '' COMMENT 'The channel manager; empty: nobody is named' AFTER inhibited_by;
ALTER TABLE alerts MODIFY COLUMN rule LowCardinality(String) COMMENT 'sessions_drop, ghosting, never_activated, tenant.activity_drop, training_lapse, certification_expiring, certification_expired, neglected, seen_not_read or search_gap';
ALTER TABLE alerts MODIFY COLUMN status LowCardinality(String) COMMENT 'firing, acknowledged, snoozed, resolved or rebaselined';
ALTER TABLE alerts MODIFY COLUMN sequence UInt32 COMMENT 'Counts the transitions of the fingerprint from 1';

-- What people ask of alerts. The aggregator folds a command into at most one
-- transition and then sets done; the row with the higher ver counts.
CREATE TABLE IF NOT EXISTS alert_commands
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    command_id String COMMENT 'Identity of the command: the same for a repetition with the same idempotency key',
    alert_id   String COMMENT 'The alert',
    partner_id String COMMENT 'The alert''s partner',
    action     LowCardinality(String) COMMENT 'acknowledge, snooze, unsnooze or rebaseline',
    until      Date COMMENT 'snooze: day on which the alert speaks again; 1970-01-01: none',
    day        Date COMMENT 'rebaseline: the completed day that is counted into the new baseline as the last; else the day of the command',
    actor      String COMMENT 'Who gave it',
    note       String COMMENT 'Why, in the words of who gave it',
    issued_at  DateTime64(3, 'UTC') COMMENT 'When it was given',
    done       UInt8 COMMENT '1: folded in',
    ver        UInt64 COMMENT 'The newest row of a command counts; 0 when it is given'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, command_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 -- an acknowledged command survives power loss
COMMENT 'Commands about alerts, exact with FINAL';

-- The current state of every alert that has been told or recorded.
CREATE VIEW IF NOT EXISTS alerts_current
(
    tenant LowCardinality(String) COMMENT 'Whose programme',
    alert_id String COMMENT 'Identity of the episode',
    fingerprint String COMMENT 'Identity of tenant, subject, rule and component',
    partner_id String COMMENT 'The partner; - for what concerns no single one',
    subject String COMMENT 'The partner, the content or the search term',
    rule LowCardinality(String) COMMENT 'What was noticed',
    status LowCardinality(String) COMMENT 'firing, acknowledged, snoozed, resolved or rebaselined',
    reason LowCardinality(String) COMMENT 'Why the status changed last',
    severity LowCardinality(String) COMMENT 'info, warning or critical',
    sequence UInt32 COMMENT 'Number of the last transition',
    day Date COMMENT 'Last day that was counted when the status changed',
    firing_day Date COMMENT 'Day on which it fired',
    change_day Date COMMENT 'Estimated first day of the new level',
    snoozed_until Date COMMENT 'Day on which it speaks again; 1970-01-01: not snoozed',
    actor String COMMENT 'Who gave the last command that is in force',
    inhibited_by Array(String) COMMENT 'Open alerts that say more, at the last transition',
    owner String COMMENT 'The channel manager',
    baseline_rate Float64 COMMENT 'Sessions per average day before the change',
    current_rate Float64 COMMENT 'Sessions per average day since',
    drop_pct Float64 COMMENT 'Estimated drop, per cent',
    historical UInt8 COMMENT '1: too old to tell when it was found, not published',
    message String COMMENT 'The last message, JSON; empty when historical',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When the last transition was recorded'
)
AS SELECT
    tenant, alert_id, fingerprint, partner_id, subject, rule, status, reason, severity, sequence, day, firing_day, change_day,
    snoozed_until, actor, inhibited_by, owner, baseline_rate, current_rate, drop_pct, historical, message, recorded_at
FROM alerts FINAL
ORDER BY sequence DESC
LIMIT 1 BY tenant, alert_id
COMMENT 'Alerts as they stand: the last transition of each';
