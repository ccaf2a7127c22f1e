-- How far recomputations of past scores have come, so that one that was interrupted
-- goes on where it was.
CREATE TABLE IF NOT EXISTS rescore_progress
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    model_version String COMMENT 'The model that is scored with',
    from_day      Date COMMENT 'First as_of that was asked for',
    to_day        Date COMMENT 'Last as_of that was asked for',
    after_partner String COMMENT 'The partners up to this one are done, in the order of their ids',
    partners      UInt64 COMMENT 'How many partners are done',
    score_rows    UInt64 COMMENT 'How many rows were written',
    finished      UInt8 COMMENT '1: all partners are done; the next run begins anew',
    ver           UInt64 COMMENT 'Number of the page, rising within a run and over runs'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, model_version, from_day, to_day)
COMMENT 'Progress of recomputations of scores, exact with FINAL';
