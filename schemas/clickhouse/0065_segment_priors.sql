-- Priors of a partner's rate by segment: parallel arrays, in the order of the names.
-- Segments that are not there, and partners of none, have the tenant's.
ALTER TABLE tenant_inputs
    ADD COLUMN IF NOT EXISTS prior_segments Array(String) DEFAULT []
    COMMENT 'Segments with a prior of their own, as they were before the month' AFTER prior_days,
    ADD COLUMN IF NOT EXISTS segment_sessions Array(Float64) DEFAULT []
    COMMENT 'Prior of a partner of each of these segments: as if so many sessions had been seen' AFTER prior_segments,
    ADD COLUMN IF NOT EXISTS segment_days Array(Float64) DEFAULT []
    COMMENT 'in so many average days' AFTER segment_sessions;
