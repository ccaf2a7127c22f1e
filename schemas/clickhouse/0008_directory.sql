-- Events about things that live longer than a day: what the directory says of
-- partners, users, content, courses and commitments, and the steps of deals, leads,
-- trainings and support requests. A copy of a small part of events, ordered by the
-- thing, so that the state of one can be worked out anew from its whole history.
-- The aggregator recomputes it for dirty keys; internal events and bots are left out.
CREATE TABLE IF NOT EXISTS entity_events
(
    tenant      LowCardinality(String) COMMENT 'Whose programme',
    partner_id  String COMMENT 'The partner; "-" for content and courses',
    kind        LowCardinality(String) COMMENT 'partner, user, content, course, commitment, training, deal, lead or ticket',
    entity_id   String COMMENT 'Its id; of commitment and training the course, empty: of no course in particular',
    day         Date COMMENT 'UTC day of time',
    id          String COMMENT 'The event',
    type        LowCardinality(String) COMMENT 'Type of the event',
    time        DateTime64(3, 'UTC') COMMENT 'When it happened',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector accepted it',
    actor       String COMMENT 'The user, else the anonymous visitor',
    stage       LowCardinality(String) COMMENT 'Stage of the deal after the event',
    amount      Nullable(Decimal(18, 4)) COMMENT 'Amount, null when the event names none',
    currency    LowCardinality(String) COMMENT 'ISO 4217',
    margin_pct  Nullable(Decimal(9, 4)) COMMENT 'Margin in per cent',
    influence   LowCardinality(String) COMMENT 'sourced or influenced',
    lead_id     String COMMENT 'The lead, also of a deal that names its lead',
    expires_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'Certification expires',
    phase       LowCardinality(String) COMMENT 'Support: before, during or after the sale',
    response_s  Nullable(UInt32) COMMENT 'Support: response time in seconds',
    data        String COMMENT 'All fields of data as sent, JSON' CODEC(ZSTD(3)),
    is_deleted  UInt8 COMMENT '1: a copy of the event that was accepted earlier says otherwise',
    ver         UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1)),
    INDEX entity entity_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, kind, entity_id, day, id)
COMMENT 'Events about partners, users, content, courses, trainings, deals, leads and support requests, exact with FINAL';

-- The partner at the end of each local day on which it was described, so that its
-- segment, owner or status on any day is known: the row with the greatest valid_from
-- that is not later. Absent fields of a description keep their value.
CREATE TABLE IF NOT EXISTS partner_history
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    valid_from Date COMMENT 'Day in the tenant''s time zone from which on this holds',
    name       String COMMENT 'Name as shown to people',
    tier       LowCardinality(String) COMMENT 'Programme tier, for example gold',
    segment    LowCardinality(String) COMMENT 'Peer group that the partner is compared with',
    region     LowCardinality(String) COMMENT 'Sales region',
    owner      String COMMENT 'The channel manager in charge',
    status     LowCardinality(String) COMMENT 'Status in the programme, for example active',
    joined_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When the partner joined the programme, null: not said',
    updated_at DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    is_deleted UInt8 COMMENT '1: there is no such description any more',
    ver        UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, valid_from)
COMMENT 'What partners were on which day, exact with FINAL';

CREATE TABLE IF NOT EXISTS partners
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    name       String COMMENT 'Name as shown to people',
    tier       LowCardinality(String) COMMENT 'Programme tier, for example gold',
    segment    LowCardinality(String) COMMENT 'Peer group that the partner is compared with',
    region     LowCardinality(String) COMMENT 'Sales region',
    owner      String COMMENT 'The channel manager in charge',
    status     LowCardinality(String) COMMENT 'Status in the programme, for example active',
    joined_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When the partner joined the programme, null: not said',
    updated_at DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    is_deleted UInt8 COMMENT '1: there is no such description any more',
    ver        UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id)
COMMENT 'Partners as last described, exact with FINAL';

CREATE TABLE IF NOT EXISTS users
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    user_id    String COMMENT 'The partner''s employee',
    partner_id String COMMENT 'The partner that the newest description names',
    name       String COMMENT 'Name as shown to people',
    role       LowCardinality(String) COMMENT 'Role, for example sales',
    region     LowCardinality(String) COMMENT 'Region',
    status     LowCardinality(String) COMMENT 'Status, for example active',
    joined_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user joined, null: not said',
    updated_at DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    is_deleted UInt8 COMMENT '1: there is no such description any more',
    ver        UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, user_id)
COMMENT 'Users as last described, exact with FINAL';

CREATE TABLE IF NOT EXISTS content
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    content_id   String COMMENT 'The document, video or page',
    title        String COMMENT 'Title as shown to people',
    kind         LowCardinality(String) COMMENT 'Kind of asset, for example pdf',
    words        UInt32 COMMENT 'Length in words, 0 unknown',
    pages        UInt32 COMMENT 'Length in pages, 0 unknown',
    duration_s   UInt32 COMMENT 'Length of the media in seconds, 0 unknown',
    owner        String COMMENT 'Who maintains it',
    audience     Array(String) COMMENT 'Tiers, segments or regions that are entitled to it; empty: every partner',
    published_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First publication: data.published_at of the newest description that has one, else the time of the first; null: never published',
    retired_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'Last retirement, null: none, or published again since',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    is_deleted   UInt8 COMMENT '1: there is no such description any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, content_id)
COMMENT 'Content as last described, exact with FINAL';

CREATE TABLE IF NOT EXISTS courses
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    course_id    String COMMENT 'The course or certification',
    title        String COMMENT 'Title as shown to people',
    kind         LowCardinality(String) COMMENT 'Kind of course',
    duration_s   UInt32 COMMENT 'Length in seconds, 0 unknown',
    audience     Array(String) COMMENT 'Tiers, segments or regions that it is meant for; empty: every partner',
    published_at DateTime64(3, 'UTC') COMMENT 'First publication',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    is_deleted   UInt8 COMMENT '1: there is no such description any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, course_id)
COMMENT 'Courses as last described, exact with FINAL';

CREATE TABLE IF NOT EXISTS training_commitments
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    course_id    String COMMENT 'The course, empty: training of any kind',
    cadence_days UInt32 COMMENT 'A completion is due every so many days',
    set_at       DateTime64(3, 'UTC') COMMENT 'When it was last set',
    is_deleted   UInt8 COMMENT '1: there is no such commitment any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, course_id)
COMMENT 'Training cadences that partners are committed to, exact with FINAL';
