-- The collateral-consumption score of every content at the end of each local day,
-- from the first day with consumption to today. Same events, as_of and model_version
-- give the same row but for ver.
CREATE TABLE IF NOT EXISTS content_scores
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    model_version LowCardinality(String) COMMENT 'Version of the formulas',
    content_id    String COMMENT 'The content',
    as_of         Date COMMENT 'Day in the tenant''s time zone; the score is of its end',
    score         Decimal(18, 6) COMMENT 'Collateral-consumption score 0-100, the sum of the points',
    reach         Decimal(18, 6) COMMENT 'R: shrunk share of entitled partners that viewed it in 90 days, over its 90th percentile, 0-1',
    depth         Decimal(18, 6) COMMENT 'D: shrunk mean quality of its views, half-life 30 days, 0-1',
    usage         Decimal(18, 6) COMMENT 'U: shrunk downloads, shares and pins per viewing partner in 90 days, over its 90th percentile, 0-1',
    findability   Decimal(18, 6) COMMENT 'F: shrunk click-through in searches in 90 days, over its 90th percentile, 0-1',
    points_reach  Decimal(18, 6) COMMENT '35 times reach',
    points_depth  Decimal(18, 6) COMMENT '35 times depth',
    points_usage  Decimal(18, 6) COMMENT '20 times usage',
    points_findability Decimal(18, 6) COMMENT '10 times findability',
    findability_imputed UInt8 COMMENT '1: no search is known to have shown it',
    partners_entitled UInt64 COMMENT 'Active partners that its audience names by tier, segment, region or a role of their people; without an audience all',
    partners_reached  UInt64 COMMENT 'Of those, partners with a view in 90 days',
    partners_viewing  UInt64 COMMENT 'All partners with a view in 90 days',
    uses          UInt64 COMMENT 'Downloads, shares and pins in 90 days',
    impressions   UInt64 COMMENT 'Times that searches are known to have shown it in 90 days',
    search_clicks UInt64 COMMENT 'Clicks on it in searches in 90 days',
    age_days      UInt32 COMMENT 'Days since its publication, else since it was first consumed',
    neglected     UInt8 COMMENT '1: at least 30 days old and the 95 % upper bound of its reach is below 5 %',
    seen_not_read UInt8 COMMENT '1: reach at least 0.7 and depth below half of the mean',
    is_deleted    UInt8 COMMENT '1: retired, or no longer known',
    ver           UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
PARTITION BY toYYYYMM(as_of)
ORDER BY (tenant, model_version, content_id, as_of)
COMMENT 'Collateral-consumption scores by day, history kept, exact with FINAL';

-- How far the content of each tenant has been scored.
CREATE TABLE IF NOT EXISTS content_progress
(
    tenant         LowCardinality(String) COMMENT 'Whose programme',
    model_version  LowCardinality(String) COMMENT 'Version of the formulas',
    scored_through Date COMMENT 'Last as_of with scores',
    redo_from      Date COMMENT 'First as_of that has to be scored again; 2149-06-06: none',
    included       UInt64 COMMENT 'Rows of content_daily and entity_events up to this batch are included or in redo_from',
    ver            UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, model_version)
COMMENT 'Progress of the scores of content, exact with FINAL';

-- Work table of one scored day.
CREATE TABLE IF NOT EXISTS agg_consumed
(
    batch_id   UInt64 COMMENT 'The run',
    content_id String COMMENT 'The content',
    partner_id String COMMENT 'The partner',
    first      Date COMMENT 'First day of consumption within 360 days',
    viewed     UInt64 COMMENT 'Views in 90 days',
    uses       UInt64 COMMENT 'Downloads, shares and pins in 90 days',
    shown      UInt64 COMMENT 'Impressions in 90 days',
    clicks     UInt64 COMMENT 'Clicks in searches in 90 days',
    quality    Int256 COMMENT 'Decayed quality of the views, millionths of 2^30ths',
    weight     Int256 COMMENT 'Decayed views, 2^30ths',
    made       DateTime('UTC') DEFAULT now() COMMENT 'When it was written; a run that was interrupted leaves it behind for a day'
)
ENGINE = MergeTree
PARTITION BY batch_id
ORDER BY (content_id, partner_id)
TTL made + INTERVAL 1 DAY
COMMENT 'Consumption by content and partner, for scores of content';

ALTER TABLE content_daily ADD INDEX IF NOT EXISTS written ver TYPE minmax GRANULARITY 1;
ALTER TABLE entity_events ADD INDEX IF NOT EXISTS written ver TYPE minmax GRANULARITY 1;
