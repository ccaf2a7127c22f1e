-- Every accepted event, once. Identity is the producer's id; everything in the
-- sorting key is frozen before the log, so all versions of an event meet in one
-- partition and ReplacingMergeTree keeps one. Exact reads use FINAL.
CREATE TABLE IF NOT EXISTS events
(
    tenant         LowCardinality(String) COMMENT 'Whose programme',
    partner_id     String COMMENT 'The partner; "-" for directory events of the whole tenant',
    day            Date COMMENT 'UTC day of time',
    id             String COMMENT 'The producer''s idempotency key',
    type           LowCardinality(String) COMMENT 'Event type of the contract, or custom.*',
    time           DateTime64(3, 'UTC') COMMENT 'When it happened',
    received_at    DateTime64(3, 'UTC') COMMENT 'When the collector accepted it',
    portal         LowCardinality(String) COMMENT 'Which portal sent it',
    source         LowCardinality(String) COMMENT 'Way in: tracker, api, segment, xapi, cloudevents, pixel',
    key_id         LowCardinality(String) COMMENT 'Which key was used',
    user_id        String COMMENT 'The partner''s employee',
    anonymous_id   String COMMENT 'The visitor before identification',
    session_id     String COMMENT 'The producer''s session, empty when derived',
    internal       Bool COMMENT 'Staff, tests and bots: excluded from scores',

    ip             String COMMENT 'Truncated address',
    url            String COMMENT 'Page address',
    referrer       String COMMENT 'Referring address',
    title          String COMMENT 'Page title',
    user_agent     String COMMENT 'As sent',
    locale         LowCardinality(String) COMMENT 'BCP 47 language tag',
    timezone       LowCardinality(String) COMMENT 'IANA zone of the browser',
    screen         LowCardinality(String) COMMENT 'Width x height in pixels',
    utm_source     LowCardinality(String) COMMENT 'Campaign source',
    utm_medium     LowCardinality(String) COMMENT 'Campaign medium',
    utm_campaign   String COMMENT 'Campaign name',
    utm_term       String COMMENT 'Campaign term',
    utm_content    String COMMENT 'Campaign content',

    device         LowCardinality(String) COMMENT 'desktop, mobile, tablet, bot or empty',
    os             LowCardinality(String) COMMENT 'Operating system of the user agent',
    browser        LowCardinality(String) COMMENT 'Browser of the user agent',
    is_bot         Bool COMMENT 'User agent of a known bot: excluded from scores',
    enrichments    Array(String) COMMENT 'Enrichment steps applied, as name/version',

    view_id        String COMMENT 'One view of a page or content',
    path           String COMMENT 'page.viewed: path',
    content_id     String COMMENT 'The document, video or page',
    content_kind   LowCardinality(String) COMMENT 'Kind of content',
    words          UInt32 COMMENT 'Length of the content in words, 0 unknown',
    pages          UInt32 COMMENT 'Length of the content in pages, 0 unknown',
    duration_s     UInt32 COMMENT 'Length of the media in seconds, 0 unknown',
    playbook_id    String COMMENT 'The playbook',
    entry_source   LowCardinality(String) COMMENT 'How the view began: search, browse, email, link, playbook',
    engaged_ms     UInt32 COMMENT 'content.engaged: cumulative engaged time of the view in milliseconds',
    max_scroll_pct UInt8 COMMENT 'content.engaged: deepest scroll of the view, 0-100',
    pages_seen     UInt32 COMMENT 'content.engaged: pages seen so far',
    media_pct      UInt8 COMMENT 'content.engaged: media played so far, 0-100',
    channel        LowCardinality(String) COMMENT 'Way of sharing or downloading',
    search_id      String COMMENT 'One search',
    query          String COMMENT 'search.performed: the terms',
    results_count  UInt32 COMMENT 'search.performed: results shown',
    position       UInt32 COMMENT 'search.clicked: rank of the result, from 1',
    course_id      String COMMENT 'The course',
    progress       Float32 COMMENT 'training.progressed: share done, 0-1 (sent in per cent)',
    score_scaled   Nullable(Float32) COMMENT 'Training score, -1 to 1 (xAPI)',
    due_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'Training due',
    expires_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'Certification expires',
    lead_id        String COMMENT 'The lead',
    deal_id        String COMMENT 'The deal',
    stage          LowCardinality(String) COMMENT 'Stage of the deal after the event',
    prev_stage     LowCardinality(String) COMMENT 'Stage of the deal before the event',
    amount         Decimal(18, 4) COMMENT 'Amount in currency',
    currency       LowCardinality(String) COMMENT 'ISO 4217',
    margin_pct     Nullable(Float32) COMMENT 'Margin in per cent',
    influence      LowCardinality(String) COMMENT 'sourced or influenced',
    phase          LowCardinality(String) COMMENT 'Meeting or support: before, during or after the sale',
    response_s     Nullable(UInt32) COMMENT 'support.resolved: response time in seconds',
    survey_id      String COMMENT 'The survey',
    nps            Nullable(UInt8) COMMENT 'survey.nps_answered: 0-10',
    data           String COMMENT 'All fields of data as sent, JSON' CODEC(ZSTD(3)),

    ver            UInt64 COMMENT 'The first accepted copy of an event wins' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 -- an acknowledged insert survives power loss
COMMENT 'Accepted events, exact with FINAL';
