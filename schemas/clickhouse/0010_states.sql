-- What became of each deal, lead, support request and training, worked out anew from
-- entity_events whenever one of its events changes.
CREATE TABLE IF NOT EXISTS deal_state
(
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    partner_id       String COMMENT 'The partner',
    deal_id          String COMMENT 'The deal',
    status           LowCardinality(String) COMMENT 'open, registered, accepted, rejected, won or lost: what its newest event of these says',
    stage            LowCardinality(String) COMMENT 'Stage that was last named, empty: none was',
    opened_at        DateTime64(3, 'UTC') COMMENT 'Its first event',
    registered_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'First deal.registered',
    accepted_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'First deal.accepted',
    rejected_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'First deal.rejected',
    won_at           Nullable(DateTime64(3, 'UTC')) COMMENT 'First deal.won',
    lost_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'First deal.lost',
    closed_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'won_at of a won deal, lost_at of a lost one, else null',
    cycle_ms         Nullable(Int64) COMMENT 'Sales cycle: from registration, or else the first event, to closed_at, milliseconds',
    amount           Nullable(Decimal(18, 4)) COMMENT 'Amount that was last named, in currency',
    currency         LowCardinality(String) COMMENT 'ISO 4217, as last named',
    margin_pct       Nullable(Decimal(9, 4)) COMMENT 'Margin in per cent of the amount, as last named',
    recurring_months UInt32 COMMENT 'Length of a recurring contract in months, 0: one-off or not said',
    influence        LowCardinality(String) COMMENT 'sourced or influenced, as last named, empty: not said',
    lead_id          String COMMENT 'The lead it came from, where an event names one',
    stages           Array(String) COMMENT 'Stages in the order in which they were first reached',
    stage_times      Array(DateTime64(3, 'UTC')) COMMENT 'When each of stages was first reached',
    events           UInt64 COMMENT 'Its events',
    updated_at       DateTime64(3, 'UTC') COMMENT 'Its newest event',
    is_deleted       UInt8 COMMENT '1: there is no such deal any more',
    ver              UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, deal_id)
COMMENT 'Deals, exact with FINAL';

CREATE TABLE IF NOT EXISTS lead_state
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    lead_id      String COMMENT 'The lead',
    referred_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'First lead.referred; null: only a deal names it',
    converted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First event of a deal that names the lead; null: none does',
    amount       Nullable(Decimal(18, 4)) COMMENT 'Amount that lead.referred last named',
    currency     LowCardinality(String) COMMENT 'ISO 4217',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Its newest event',
    is_deleted   UInt8 COMMENT '1: there is no such lead any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, lead_id)
COMMENT 'Leads that partners passed on, exact with FINAL';

CREATE TABLE IF NOT EXISTS ticket_state
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    ticket_id    String COMMENT 'The support request',
    phase        LowCardinality(String) COMMENT 'before, during or after the sale, as last named',
    requested_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First support.requested',
    resolved_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'Last support.resolved; null: not resolved',
    response_s   Nullable(UInt32) COMMENT 'Response time as last reported, seconds',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Its newest event',
    is_deleted   UInt8 COMMENT '1: there is no such request any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, ticket_id)
COMMENT 'Support requests, exact with FINAL';

CREATE TABLE IF NOT EXISTS training_state
(
    tenant            LowCardinality(String) COMMENT 'Whose programme',
    partner_id        String COMMENT 'The partner',
    course_id         String COMMENT 'The course',
    enrolled          UInt64 COMMENT 'training.enrolled',
    started           UInt64 COMMENT 'training.started',
    progressed        UInt64 COMMENT 'training.progressed',
    completed         UInt64 COMMENT 'training.completed',
    passed            UInt64 COMMENT 'training.passed',
    failed            UInt64 COMMENT 'training.failed',
    certified         UInt64 COMMENT 'training.certified',
    learners          UInt64 COMMENT 'Distinct people with an event of the course',
    first_at          DateTime64(3, 'UTC') COMMENT 'First event',
    last_completed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last completion, pass or certification',
    last_certified_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last certification',
    certificates      Array(Tuple(actor String, certified_at DateTime64(3, 'UTC'), expires_at DateTime64(3, 'UTC')))
                      COMMENT 'The newest certification of each person; expires_at 2299-12-31: never',
    updated_at        DateTime64(3, 'UTC') COMMENT 'Newest event',
    is_deleted        UInt8 COMMENT '1: there is no such training any more',
    ver               UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
ORDER BY (tenant, partner_id, course_id)
COMMENT 'Training by partner and course, exact with FINAL';
