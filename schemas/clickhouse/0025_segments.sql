-- The segment of a partner as of a day comes from the events: it is the one that the
-- last partner.upserted of the day names, carried forward by whoever reads.
ALTER TABLE partner_daily
    ADD COLUMN IF NOT EXISTS segment LowCardinality(String) DEFAULT ''
    COMMENT 'Segment that the last partner.upserted of the day put the partner into; empty: none said on the day'
    AFTER upserts;

-- Days with such an event that were rolled up without the column are recomputed. A
-- mark too many changes nothing.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT toStartOfHour(now('UTC')), tenant, partner_id, day, 1, 0
FROM events
WHERE type = 'partner.upserted' AND JSONExtractString(data, 'segment') != ''
GROUP BY tenant, partner_id, day;

-- The models that scores were computed with: weights, half-lives, caps, and the bars
-- and imputed values frozen by segment. A version never changes: of two rows of a
-- version the first stays, and the second is refused by the program.
CREATE TABLE IF NOT EXISTS score_models
(
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    version          String COMMENT 'Version of the model, model_version elsewhere',
    checksum         String COMMENT 'SHA-256 of model, hex',
    model            String COMMENT 'The whole model, JSON',
    half_lives       String COMMENT 'Key of the model''s weights in score_decay',
    weights          Array(Int64) COMMENT 'Weights of activity, content, training, pipeline, sentiment, thousandths',
    segments         Array(String) COMMENT 'The segments with bars of their own; the first, empty, stands for all others',
    bars             Array(Array(Float64)) COMMENT 'High bars of activity, content, training, pipeline, each by segment',
    imputed          Array(Array(Int64)) COMMENT 'Sub-scores of missing feeds, of the five components, each by segment, thousandths of a point',
    compliance_share Int64 COMMENT 'Share of compliance in the training sub-score, thousandths',
    cadence          Int64 COMMENT 'Training cadence where none is committed to, days',
    nps_pseudo       Int64 COMMENT 'Weight of the prior''s responses, 2^30ths',
    nps_prior        Int64 COMMENT 'Promoters less detractors of the prior, 2^30ths',
    coverage_min     Int64 COMMENT 'Coverage below which there is no score, thousandths',
    created_at       DateTime64(6, 'UTC') COMMENT 'When the version was stored'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, version, checksum)
COMMENT 'Score models by tenant and version, immutable, exact with FINAL';

-- What the daily score inputs of a tenant were counted with.
CREATE TABLE IF NOT EXISTS score_inputs
(
    tenant      LowCardinality(String) COMMENT 'Whose programme',
    counted_max UInt32 COMMENT 'How many events of a user, day and type count',
    ver         UInt64 COMMENT 'Batch that began to count so, Unix nanoseconds'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY tenant
COMMENT 'Caps in the inputs of scores by tenant, exact with FINAL';
