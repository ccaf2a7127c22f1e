-- How small a drop of the partner can be seen.
ALTER TABLE detector_state
    ADD COLUMN IF NOT EXISTS detectable_pct Float64 DEFAULT 0
        COMMENT 'Smallest drop, per cent, that is detected within 30 average days on average; 0: not even a stop' AFTER never_status;
