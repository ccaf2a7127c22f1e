-- State documents: what courses keep about learners between sessions, such as a
-- bookmark. A change is a new version; nothing is counted from here. Documents that
-- nobody has changed for two years go.
CREATE TABLE IF NOT EXISTS xapi_documents
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    portal       LowCardinality(String) COMMENT 'Which portal keeps it',
    activity     String COMMENT 'IRI of the activity',
    agent        String COMMENT 'Who it is about: "account HOMEPAGE NAME", mbox, "openid URI" or "sha1 DIGEST"',
    registration String COMMENT 'One enrolment, lower case; empty: for all',
    id           String COMMENT 'stateId',
    user_id      String COMMENT 'The same person as user_id of events, for erasing',
    content_type String COMMENT 'Media type of the content',
    body         String COMMENT 'The content, not only UTF-8' CODEC(ZSTD),
    updated      DateTime64(3, 'UTC') COMMENT 'When it was changed',
    deleted      Bool COMMENT 'This version says that it was deleted',
    ver          UInt64 COMMENT 'The highest version is the document'
)
ENGINE = ReplacingMergeTree(ver)
ORDER BY (tenant, portal, activity, agent, registration, id)
TTL toDateTime(updated) + INTERVAL 2 YEAR
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 -- an acknowledged document survives power loss
COMMENT 'xAPI state documents; read with FINAL and NOT deleted';
