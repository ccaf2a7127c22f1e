-- What the model of a tenant's daily totals knew at the end of each local day.
CREATE TABLE IF NOT EXISTS tenant_days
(
    tenant         LowCardinality(String) COMMENT 'Whose programme',
    day            Date COMMENT 'Day in the tenant''s time zone',
    config         LowCardinality(String) COMMENT 'Hash of the tenant model''s configuration',
    sessions       UInt64 COMMENT 'Sessions of all partners',
    observed       Float64 COMMENT 'Sessions of the middle half of the groups of partners',
    expected       Float64 COMMENT 'Sessions expected there; 0: too little history or too few partners to tell',
    alert_status   LowCardinality(String) COMMENT 'tenant.activity_drop: ok or firing',
    fingerprint    UInt64 COMMENT 'Hash of the partners'' sessions; another one makes the day and those after it count again',
    state          String COMMENT 'The model''s state after the day, JSON' CODEC(ZSTD(3)),
    ver            UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, day)
COMMENT 'A tenant''s days as a whole, exact with FINAL';

-- What a day means for every partner of the tenant. A row is written again only
-- when it changes, so that a row newer than a partner's progress tells from which
-- day on the partner has to be detected again.
CREATE TABLE IF NOT EXISTS tenant_inputs
(
    tenant         LowCardinality(String) COMMENT 'Whose programme',
    day            Date COMMENT 'Day in the tenant''s time zone',
    factor         Float64 COMMENT 'What the day is worth for a partner relative to an average one: weekday and tenant-wide',
    frozen         UInt8 COMMENT '1: the day tells nothing about partners (outage, missing ingestion)',
    dispersion     Float64 COMMENT 'Size r of the negative binomial; inf: Poisson, 0: the configured one',
    prior_sessions Float64 COMMENT 'Prior of a partner''s rate: as if so many sessions had been seen; 0: the configured one',
    prior_days     Float64 COMMENT 'in so many average days',
    ver            UInt64 COMMENT 'Batch that last changed the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, day)
COMMENT 'Detection''s input by tenant and day, exact with FINAL';
