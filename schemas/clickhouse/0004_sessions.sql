-- Sessions by the rule of internal/session: 30 minutes of inactivity end one, it
-- belongs to the day it starts. A late event can join or split sessions; the rows
-- that vanish are marked deleted and FINAL leaves them out.
CREATE TABLE IF NOT EXISTS sessions
(
    tenant             LowCardinality(String) COMMENT 'Whose programme',
    partner_id         String COMMENT 'The partner',
    day                Date COMMENT 'Day of the start in the tenant''s time zone',
    actor              String COMMENT 'The user, else the anonymous visitor',
    started_at         DateTime64(3, 'UTC') COMMENT 'First event',
    session_id         String COMMENT 'The producer''s session, empty when derived',
    ended_at           DateTime64(3, 'UTC') COMMENT 'Last event',
    events             UInt64 COMMENT 'Interactive events',
    views              UInt64 COMMENT 'Distinct page and content views',
    content_views      UInt64 COMMENT 'Distinct content views',
    key_events         UInt64 COMMENT 'Downloads, shares and pins',
    engaged_ms         UInt64 COMMENT 'Engaged time, milliseconds; only of views that reported it',
    engaged_views      UInt64 COMMENT 'Views whose engaged time is known',
    engaged            UInt8 COMMENT '1: more than 10 s engaged, a key event, or two views (GA4)',
    single_view_bounce UInt8 COMMENT '1: one view and nothing else (Plausible)',
    quality            Int64 COMMENT 'Sum of the quality of its counted content views, millionths',
    is_deleted         UInt8 COMMENT '1: later events showed that there is no such session',
    ver                UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day, actor, started_at, session_id)
COMMENT 'Sessions by local start day, exact with FINAL';
