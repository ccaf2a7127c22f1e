-- What the enrichment steps make of an event: docs/ENRICHMENT.md. Rows from before
-- have the defaults, and their column enrichments lists no such step. Nothing that
-- is scored reads the columns of the directory: they hold what was known when the
-- event was enriched, and may differ after a replay.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS is_datacentre     Bool                   COMMENT 'The network is one of a datacentre',
    ADD COLUMN IF NOT EXISTS bot_signals       LowCardinality(String) COMMENT 'What spoke for a bot, separated by commas',
    ADD COLUMN IF NOT EXISTS internal_rule     LowCardinality(String) COMMENT 'The rule that set internal; empty: none did',
    ADD COLUMN IF NOT EXISTS country           LowCardinality(String) COMMENT 'Country of the network, ISO 3166-1 alpha-2; empty unknown',
    ADD COLUMN IF NOT EXISTS region            LowCardinality(String) COMMENT 'Region within the country, ISO 3166-2; empty unknown',
    ADD COLUMN IF NOT EXISTS city              LowCardinality(String) COMMENT 'City of the network, English; empty unknown',
    ADD COLUMN IF NOT EXISTS url_host          LowCardinality(String) COMMENT 'Host of url, lower case',
    ADD COLUMN IF NOT EXISTS url_path          String                 COMMENT 'Path of url',
    ADD COLUMN IF NOT EXISTS referrer_kind     LowCardinality(String) COMMENT 'direct, campaign, internal, search, social, mail, chat, assistant, link; empty without a page',
    ADD COLUMN IF NOT EXISTS referrer_host     LowCardinality(String) COMMENT 'Host of referrer, lower case',
    ADD COLUMN IF NOT EXISTS referrer_name     LowCardinality(String) COMMENT 'Known service of referrer, such as Google',
    ADD COLUMN IF NOT EXISTS clock_skew_ms     Int64                  COMMENT 'received_at less time, milliseconds: clocks, queues and way together',
    ADD COLUMN IF NOT EXISTS partner_tier      LowCardinality(String) COMMENT 'Tier of the partner in the directory when enriched',
    ADD COLUMN IF NOT EXISTS partner_segment   LowCardinality(String) COMMENT 'Segment of the partner in the directory when enriched',
    ADD COLUMN IF NOT EXISTS partner_region    LowCardinality(String) COMMENT 'Region of the partner in the directory when enriched',
    ADD COLUMN IF NOT EXISTS content_title     LowCardinality(String) COMMENT 'Title of the content in the directory when enriched',
    ADD COLUMN IF NOT EXISTS directory_kind    LowCardinality(String) COMMENT 'Kind of the content in the directory when enriched';

ALTER TABLE events COMMENT COLUMN is_bot 'Taken for a bot, see bot_signals: excluded from scores';
ALTER TABLE events COMMENT COLUMN internal 'Staff, tests and bots, said by the producer or by internal_rule: excluded from scores';
ALTER TABLE events COMMENT COLUMN user_id 'The partner''s employee, or the pseudonym of the tenant''s key';
ALTER TABLE events COMMENT COLUMN enrichments 'Enrichment steps applied, as name/version or name/version+reference data';
