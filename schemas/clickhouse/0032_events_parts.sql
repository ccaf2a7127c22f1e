-- What an insert into events costs ClickHouse. A part of its own file for each of ninety
-- columns costs more to write and to merge than the rows in it, until it is large: smaller
-- parts keep all columns in one file. And the list of steps, one of a few combinations, is
-- a number to the store instead of a dozen texts; enrichments gives it as it was.
ALTER TABLE events MODIFY SETTING min_bytes_for_wide_part = 1073741824;
ALTER TABLE events ADD COLUMN IF NOT EXISTS enrichment_steps LowCardinality(String) COMMENT 'Enrichment steps applied, as name/version, separated by commas' AFTER is_bot;
ALTER TABLE events UPDATE enrichment_steps = arrayStringConcat(enrichments, ',') WHERE enrichment_steps = '' SETTINGS mutations_sync = 2;
ALTER TABLE events DROP COLUMN IF EXISTS enrichments SETTINGS mutations_sync = 2;
ALTER TABLE events ADD COLUMN IF NOT EXISTS enrichments Array(String) ALIAS arrayFilter(s -> s != '', splitByChar(',', enrichment_steps)) COMMENT 'Enrichment steps applied, as name/version or name/version+reference data' AFTER enrichment_steps;
