-- The state of every partner at the end of each local day, from its first event
-- to today; today's row holds what has arrived so far. Same events, as_of and
-- model_version give the same row but for ver. Exact with FINAL.
CREATE TABLE IF NOT EXISTS partner_scores
(
    tenant            LowCardinality(String) COMMENT 'Whose programme',
    model_version     LowCardinality(String) COMMENT 'Version of weights, half-lives, bars and formulas',
    partner_id        String COMMENT 'The partner',
    as_of             Date COMMENT 'Day in the tenant''s time zone; the score is of its end',
    score             Nullable(Decimal(18, 6)) COMMENT 'Engagement score 0-100, the sum of the points; null when coverage is below 0.6',
    tier              LowCardinality(String) COMMENT 'strong, steady, at_risk; empty without a score',
    coverage          Decimal(9, 3) COMMENT 'Sum of the weights that rest on data and not on imputed values, 0-1',
    s_activity        Decimal(9, 3) COMMENT 'Sub-score activity, 0-100',
    s_content         Decimal(9, 3) COMMENT 'Sub-score content, 0-100',
    s_training        Decimal(9, 3) COMMENT 'Sub-score training, 0-100',
    s_pipeline        Decimal(9, 3) COMMENT 'Sub-score pipeline, 0-100',
    s_sentiment       Decimal(9, 3) COMMENT 'Sub-score sentiment, 0-100',
    points_activity   Decimal(18, 6) COMMENT 'Weight times s_activity',
    points_content    Decimal(18, 6) COMMENT 'Weight times s_content',
    points_training   Decimal(18, 6) COMMENT 'Weight times s_training',
    points_pipeline   Decimal(18, 6) COMMENT 'Weight times s_pipeline',
    points_sentiment  Decimal(18, 6) COMMENT 'Weight times s_sentiment',
    imputed_activity  UInt8 COMMENT '1: the tenant had sent no such event yet, s_activity is imputed',
    imputed_content   UInt8 COMMENT '1: the tenant had sent no such event yet, s_content is imputed',
    imputed_training  UInt8 COMMENT '1: the tenant had sent no such event yet, s_training is imputed',
    imputed_pipeline  UInt8 COMMENT '1: the tenant had sent no such event yet, s_pipeline is imputed',
    imputed_sentiment UInt8 COMMENT '1: the tenant had sent no such event yet, s_sentiment is imputed',
    ver               UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY toYYYYMM(as_of)
ORDER BY (tenant, model_version, partner_id, as_of)
COMMENT 'Engagement scores by day, history kept, exact with FINAL';

-- Fixed-point decay by age, so that decayed sums are integers and do not depend
-- on the order of events: round(2^30 * 2^(-age/half-life)).
CREATE TABLE IF NOT EXISTS score_decay
(
    half_lives String COMMENT 'The half-lives of the five components, days, as text',
    age        UInt32 COMMENT 'Age in days',
    activity   Int64 COMMENT 'Weight of activity at this age, 2^30 is 1',
    content    Int64 COMMENT 'Weight of content at this age, 2^30 is 1',
    training   Int64 COMMENT 'Weight of training at this age, 2^30 is 1',
    pipeline   Int64 COMMENT 'Weight of pipeline at this age, 2^30 is 1',
    sentiment  Int64 COMMENT 'Weight of sentiment at this age, 2^30 is 1'
)
ENGINE = ReplacingMergeTree
ORDER BY (half_lives, age)
COMMENT 'Decay weights of the score models, exact with FINAL';
