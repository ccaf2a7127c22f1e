-- Who was erased (`partnerpulse forget`), as hashes: the enricher and `replay` refuse
-- what of them was received up to `until`, so that events that are still on the topic,
-- in a spool or among the rejects do not come back. The list must outlive the topics'
-- retention; it belongs into every backup. docs/PRIVACY.md
CREATE TABLE IF NOT EXISTS forgotten
(
    tenant   LowCardinality(String) COMMENT 'Whose programme',
    kind     LowCardinality(String) COMMENT 'user, visitor or partner',
    hash     String COMMENT 'SHA-256 of tenant, kind and id, hexadecimal',
    until    DateTime64(3, 'UTC') COMMENT 'What was received up to here is refused; 2261: for ever',
    asked_at DateTime64(3, 'UTC') COMMENT 'When the erasure was asked for',
    ver      UInt64 COMMENT 'Milliseconds of until: the later one counts'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, kind, hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Erased users and partners, exact with FINAL';

-- The days that an erasure has yet to mark for recomputation; empty when none is
-- under way. An erasure that was broken off and is repeated finds them here.
CREATE TABLE IF NOT EXISTS forget_pending
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    hash       String COMMENT 'hash of the entry in forgotten',
    partner_id String COMMENT 'The partner',
    day        Date COMMENT 'UTC day whose events change'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, hash, partner_id, day)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Days that an erasure has yet to mark';
