-- What a batch has to know of a partner's whole history, without reading it: where the
-- history begins, and which blocks of rows are newer than a batch.
ALTER TABLE partner_progress
    ADD COLUMN IF NOT EXISTS first_day Date COMMENT 'First day of the partner''s history; 1970-01-01: not noted' AFTER published;

ALTER TABLE partner_daily ADD INDEX IF NOT EXISTS written ver TYPE minmax GRANULARITY 1;
