-- The events that the keys of a batch need, read once from events FINAL and by all
-- rollups from here: the same partners' granules would be decompressed for each of
-- them again. No part of it outlives its batch, so nothing is fsynced; parts stay
-- compact, because most statements read most of a few columns.
CREATE TABLE IF NOT EXISTS agg_events
(
    batch_id       UInt64 COMMENT 'The batch',
    tenant         LowCardinality(String) COMMENT 'Whose programme',
    partner_id     String COMMENT 'The partner',
    day            Date COMMENT 'UTC day of time',
    local          Date COMMENT 'Day of time in the tenant''s time zone',
    id             String COMMENT 'As in events',
    type           LowCardinality(String) COMMENT 'As in events',
    time           DateTime64(3, 'UTC') COMMENT 'As in events',
    received_at    DateTime64(3, 'UTC') COMMENT 'As in events',
    actor          String COMMENT 'The user, or the visitor before identification',
    session_id     String COMMENT 'As in events',
    view_id        String COMMENT 'As in events',
    content_id     String COMMENT 'As in events',
    words          UInt32 COMMENT 'As in events',
    duration_s     UInt32 COMMENT 'As in events',
    playbook_id    String COMMENT 'As in events',
    entry_source   LowCardinality(String) COMMENT 'As in events',
    engaged_ms     UInt32 COMMENT 'As in events',
    max_scroll_pct UInt8 COMMENT 'As in events',
    search_id      String COMMENT 'As in events',
    query          String COMMENT 'As in events',
    results_count  UInt32 COMMENT 'As in events',
    course_id      String COMMENT 'As in events',
    expires_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'As in events',
    lead_id        String COMMENT 'As in events',
    deal_id        String COMMENT 'As in events',
    stage          LowCardinality(String) COMMENT 'As in events',
    prev_stage     LowCardinality(String) COMMENT 'As in events',
    amount         Decimal(18, 4) COMMENT 'As in events',
    currency       LowCardinality(String) COMMENT 'As in events',
    margin_pct     Nullable(Float32) COMMENT 'As in events',
    influence      LowCardinality(String) COMMENT 'As in events',
    phase          LowCardinality(String) COMMENT 'As in events',
    response_s     Nullable(UInt32) COMMENT 'As in events',
    nps            Nullable(UInt8) COMMENT 'As in events',
    data           String COMMENT 'As in events, of the types whose data the rollups look into; else empty'
)
ENGINE = MergeTree
PARTITION BY batch_id
ORDER BY tuple()
SETTINGS min_bytes_for_wide_part = 1073741824
COMMENT 'Counted events of the local days of a batch and of those around them';
