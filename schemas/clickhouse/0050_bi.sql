-- The database for BI tools: documented, stable views that read exactly (FINAL
-- inside). docs/DATA.md is made of their comments. ${BI} is clickhouse.bi_database.
CREATE DATABASE IF NOT EXISTS ${BI};

CREATE OR REPLACE VIEW ${BI}.partners
(
    tenant          LowCardinality(String) COMMENT 'Whose programme',
    partner_id      String COMMENT 'The partner',
    name            String COMMENT 'Name as shown to people',
    tier            LowCardinality(String) COMMENT 'Programme tier, for example gold',
    segment         LowCardinality(String) COMMENT 'Peer group that the partner is compared with',
    region          LowCardinality(String) COMMENT 'Sales region',
    owner           String COMMENT 'The channel manager in charge',
    status          LowCardinality(String) COMMENT 'Status in the programme, for example active',
    joined_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When the partner joined the programme, null: not said',
    updated_at      DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    as_of           Nullable(Date) COMMENT 'Day of the engagement score, null: not scored yet',
    score           Nullable(Decimal(18, 6)) COMMENT 'Engagement score 0-100, null when too little is known',
    engagement_tier LowCardinality(String) COMMENT 'strong, steady or at_risk, empty without a score',
    coverage        Nullable(Decimal(9, 3)) COMMENT 'Share of the score that rests on data, 0-1'
)
AS
SELECT
    known.tenant AS tenant, known.partner_id AS partner_id,
    p.name AS name, p.tier AS tier, p.segment AS segment, p.region AS region, p.owner AS owner, p.status AS status,
    p.joined_at AS joined_at, p.updated_at AS updated_at,
    if(s.as_of = toDate(0), NULL, s.as_of) AS as_of, s.score AS score, s.tier AS engagement_tier,
    if(s.as_of = toDate(0), NULL, s.coverage) AS coverage
FROM
(
    SELECT tenant, partner_id FROM partners FINAL
    UNION DISTINCT
    SELECT tenant, partner_id FROM partner_progress
) AS known
LEFT JOIN (SELECT * FROM partners FINAL) AS p ON p.tenant = known.tenant AND p.partner_id = known.partner_id
LEFT JOIN
(
    -- Of several models the one that was worked on last.
    SELECT tenant, partner_id, as_of, score, tier, coverage
    FROM partner_scores FINAL
    WHERE (tenant, model_version, partner_id, as_of) IN
    (
        SELECT tenant, argMax(model_version, ver), partner_id, argMax(scored_through, ver)
        FROM partner_progress FINAL
        GROUP BY tenant, partner_id
    )
) AS s ON s.tenant = known.tenant AND s.partner_id = known.partner_id
COMMENT 'Partners as the directory describes them, with their newest engagement score';

CREATE OR REPLACE VIEW ${BI}.partner_history
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    valid_from Date COMMENT 'Day in the tenant''s time zone from which on this holds',
    name       String COMMENT 'Name as shown to people',
    tier       LowCardinality(String) COMMENT 'Programme tier, for example gold',
    segment    LowCardinality(String) COMMENT 'Peer group that the partner is compared with',
    region     LowCardinality(String) COMMENT 'Sales region',
    owner      String COMMENT 'The channel manager in charge',
    status     LowCardinality(String) COMMENT 'Status in the programme, for example active',
    joined_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When the partner joined the programme, null: not said',
    updated_at DateTime64(3, 'UTC') COMMENT 'Time of the newest description'
)
AS
SELECT
    tenant, partner_id, valid_from, name, tier, segment, region, owner, status, joined_at, updated_at
FROM partner_history FINAL
COMMENT 'What partners were on which day: the row with the greatest valid_from that is not later';

CREATE OR REPLACE VIEW ${BI}.partner_daily
(
    tenant               LowCardinality(String) COMMENT 'Whose programme',
    partner_id           String COMMENT 'The partner',
    day                  Date COMMENT 'Day in the tenant''s time zone',
    sessions             UInt64 COMMENT 'Sessions that started on the day (30 minutes of inactivity end one)',
    engaged_sessions     UInt64 COMMENT 'Sessions with more than 10 s engaged, a key event, or two views (GA4)',
    ga4_bounces          UInt64 COMMENT 'Sessions that were not engaged (GA4)',
    single_view_bounces  UInt64 COMMENT 'Sessions of one view and nothing else (Plausible)',
    engaged_ms           UInt64 COMMENT 'Engaged time of the sessions of the day, milliseconds; only of views that reported it',
    engaged_views        UInt64 COMMENT 'Views of the sessions of the day whose engaged time is known',
    session_views        UInt64 COMMENT 'Page and content views of the sessions of the day',
    active_users         UInt64 COMMENT 'Distinct people with an interactive event',
    logins               UInt64 COMMENT 'Successful portal logins',
    page_views           UInt64 COMMENT 'page.viewed',
    content_views        UInt64 COMMENT 'content.viewed',
    downloads            UInt64 COMMENT 'content.downloaded',
    shares               UInt64 COMMENT 'content.shared',
    pins                 UInt64 COMMENT 'playbook.pinned',
    unpins               UInt64 COMMENT 'playbook.unpinned',
    searches             UInt64 COMMENT 'search.performed',
    zero_result_searches UInt64 COMMENT 'search.performed without results',
    search_clicks        UInt64 COMMENT 'search.clicked',
    training_enrolled    UInt64 COMMENT 'training.enrolled',
    training_started     UInt64 COMMENT 'training.started',
    training_progressed  UInt64 COMMENT 'training.progressed',
    training_completed   UInt64 COMMENT 'training.completed',
    training_passed      UInt64 COMMENT 'training.passed',
    training_failed      UInt64 COMMENT 'training.failed',
    training_certified   UInt64 COMMENT 'training.certified',
    leads_referred       UInt64 COMMENT 'lead.referred',
    deals_registered     UInt64 COMMENT 'deal.registered',
    deals_accepted       UInt64 COMMENT 'deal.accepted',
    deals_rejected       UInt64 COMMENT 'deal.rejected',
    deals_moved          UInt64 COMMENT 'deal.stage_changed',
    deals_forward        UInt64 COMMENT 'deal.stage_changed to a later stage',
    deals_won            UInt64 COMMENT 'deal.won',
    deals_lost           UInt64 COMMENT 'deal.lost',
    meetings             UInt64 COMMENT 'meeting.held',
    support_requested    UInt64 COMMENT 'support.requested',
    support_resolved     UInt64 COMMENT 'support.resolved',
    nps_count            UInt64 COMMENT 'survey.nps_answered',
    nps_sum              UInt64 COMMENT 'Sum of the answers, 0-10 each',
    nps_promoters        UInt64 COMMENT 'Answers 9 and 10',
    nps_detractors       UInt64 COMMENT 'Answers 0 to 6',
    cadence_days         UInt64 COMMENT 'Training cadence committed to on the day, days; 0: none set on the day',
    upserts              UInt64 COMMENT 'partner.upserted of the day; the first begins the partner''s history',
    events               UInt64 COMMENT 'All counted events'
)
AS
SELECT
    tenant, partner_id, day, sessions, engaged_sessions, ga4_bounces, single_view_bounces, engaged_ms, engaged_views,
    session_views, active_users, logins, page_views, content_views, downloads, shares, pins, unpins, searches,
    zero_result_searches, search_clicks, training_enrolled, training_started, training_progressed, training_completed,
    training_passed, training_failed, training_certified, leads_referred, deals_registered, deals_accepted,
    deals_rejected, deals_moved, deals_forward, deals_won, deals_lost, meetings, support_requested, support_resolved,
    nps_count, nps_sum, nps_promoters, nps_detractors, cadence_days, upserts, events
FROM partner_daily FINAL
COMMENT 'Metrics per partner and day; days without an event have no row';

CREATE OR REPLACE VIEW ${BI}.partner_scores
(
    tenant            LowCardinality(String) COMMENT 'Whose programme',
    model_version     LowCardinality(String) COMMENT 'Version of weights, half-lives, bars and formulas',
    partner_id        String COMMENT 'The partner',
    as_of             Date COMMENT 'Day in the tenant''s time zone; the score is of its end',
    score             Nullable(Decimal(18, 6)) COMMENT 'Engagement score 0-100, the sum of the points; null when coverage is below 0.6',
    tier              LowCardinality(String) COMMENT 'strong, steady, at_risk; empty without a score',
    coverage          Decimal(9, 3) COMMENT 'Sum of the weights that rest on data and not on imputed values, 0-1',
    s_activity        Decimal(9, 3) COMMENT 'Sub-score activity, 0-100',
    s_content         Decimal(9, 3) COMMENT 'Sub-score content, 0-100',
    s_training        Decimal(9, 3) COMMENT 'Sub-score training, 0-100',
    s_pipeline        Decimal(9, 3) COMMENT 'Sub-score pipeline, 0-100',
    s_sentiment       Decimal(9, 3) COMMENT 'Sub-score sentiment, 0-100',
    points_activity   Decimal(18, 6) COMMENT 'Weight times s_activity',
    points_content    Decimal(18, 6) COMMENT 'Weight times s_content',
    points_training   Decimal(18, 6) COMMENT 'Weight times s_training',
    points_pipeline   Decimal(18, 6) COMMENT 'Weight times s_pipeline',
    points_sentiment  Decimal(18, 6) COMMENT 'Weight times s_sentiment',
    imputed_activity  UInt8 COMMENT '1: the tenant had sent no such event yet, s_activity is imputed',
    imputed_content   UInt8 COMMENT '1: the tenant had sent no such event yet, s_content is imputed',
    imputed_training  UInt8 COMMENT '1: the tenant had sent no such event yet, s_training is imputed',
    imputed_pipeline  UInt8 COMMENT '1: the tenant had sent no such event yet, s_pipeline is imputed',
    imputed_sentiment UInt8 COMMENT '1: the tenant had sent no such event yet, s_sentiment is imputed'
)
AS
SELECT
    tenant, model_version, partner_id, as_of, score, tier, coverage, s_activity, s_content, s_training, s_pipeline,
    s_sentiment, points_activity, points_content, points_training, points_pipeline, points_sentiment, imputed_activity,
    imputed_content, imputed_training, imputed_pipeline, imputed_sentiment
FROM partner_scores FINAL
COMMENT 'Engagement scores by day, explained: the points sum to the score';

CREATE OR REPLACE VIEW ${BI}.users
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    user_id    String COMMENT 'The partner''s employee',
    partner_id String COMMENT 'The partner that the newest description names',
    name       String COMMENT 'Name as shown to people',
    role       LowCardinality(String) COMMENT 'Role, for example sales',
    region     LowCardinality(String) COMMENT 'Region',
    status     LowCardinality(String) COMMENT 'Status, for example active',
    joined_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user joined, null: not said',
    updated_at DateTime64(3, 'UTC') COMMENT 'Time of the newest description'
)
AS
SELECT
    tenant, user_id, partner_id, name, role, region, status, joined_at, updated_at
FROM users FINAL
COMMENT 'People of the partners as the directory describes them';

CREATE OR REPLACE VIEW ${BI}.user_daily
(
    tenant              LowCardinality(String) COMMENT 'Whose programme',
    partner_id          String COMMENT 'The partner',
    actor               String COMMENT 'The user, else the anonymous visitor',
    day                 Date COMMENT 'Day in the tenant''s time zone',
    active              UInt8 COMMENT '1: with an interactive event on the day',
    sessions            UInt64 COMMENT 'Sessions that started on the day',
    engaged_sessions    UInt64 COMMENT 'Sessions with more than 10 s engaged, a key event, or two views (GA4)',
    ga4_bounces         UInt64 COMMENT 'Sessions that were not engaged (GA4)',
    single_view_bounces UInt64 COMMENT 'Sessions of one view and nothing else (Plausible)',
    portal_ms           UInt64 COMMENT 'Time in the portal: from first to last event of the sessions of the day, time within two of them counted once, milliseconds',
    engaged_ms          UInt64 COMMENT 'Engaged time of the sessions of the day, milliseconds; only of views that reported it',
    engaged_views       UInt64 COMMENT 'Views of the sessions of the day whose engaged time is known',
    logins              UInt64 COMMENT 'Successful portal logins',
    page_views          UInt64 COMMENT 'page.viewed',
    content_views       UInt64 COMMENT 'content.viewed',
    downloads           UInt64 COMMENT 'content.downloaded',
    shares              UInt64 COMMENT 'content.shared',
    pins                UInt64 COMMENT 'playbook.pinned',
    searches            UInt64 COMMENT 'search.performed',
    completions         UInt64 COMMENT 'training.completed and training.passed',
    certifications      UInt64 COMMENT 'training.certified',
    deals_registered    UInt64 COMMENT 'deal.registered',
    events              UInt64 COMMENT 'All counted events'
)
AS
SELECT
    tenant, partner_id, actor, day, active, sessions, engaged_sessions, ga4_bounces, single_view_bounces, portal_ms,
    engaged_ms, engaged_views, logins, page_views, content_views, downloads, shares, pins, searches, completions,
    certifications, deals_registered, events
FROM user_daily FINAL
COMMENT 'Metrics per person and day';

CREATE OR REPLACE VIEW ${BI}.sessions
(
    tenant             LowCardinality(String) COMMENT 'Whose programme',
    partner_id         String COMMENT 'The partner',
    day                Date COMMENT 'Day of the start in the tenant''s time zone',
    actor              String COMMENT 'The user, else the anonymous visitor',
    started_at         DateTime64(3, 'UTC') COMMENT 'First event',
    session_id         String COMMENT 'The producer''s session, empty when derived',
    ended_at           DateTime64(3, 'UTC') COMMENT 'Last event',
    events             UInt64 COMMENT 'Interactive events',
    views              UInt64 COMMENT 'Distinct page and content views',
    content_views      UInt64 COMMENT 'Distinct content views',
    key_events         UInt64 COMMENT 'Downloads, shares and pins',
    engaged_ms         UInt64 COMMENT 'Engaged time, milliseconds; only of views that reported it',
    engaged_views      UInt64 COMMENT 'Views whose engaged time is known',
    engaged            UInt8 COMMENT '1: more than 10 s engaged, a key event, or two views (GA4)',
    single_view_bounce UInt8 COMMENT '1: one view and nothing else (Plausible)'
)
AS
SELECT
    tenant, partner_id, day, actor, started_at, session_id, ended_at, events, views, content_views, key_events,
    engaged_ms, engaged_views, engaged, single_view_bounce
FROM sessions FINAL
COMMENT 'Sessions: 30 minutes of inactivity end one; it belongs to the day it starts';

CREATE OR REPLACE VIEW ${BI}.content
(
    tenant              LowCardinality(String) COMMENT 'Whose programme',
    content_id          String COMMENT 'The content',
    title               String COMMENT 'Title as shown to people',
    kind                LowCardinality(String) COMMENT 'Kind of asset, for example pdf',
    words               UInt32 COMMENT 'Length in words, 0 unknown',
    pages               UInt32 COMMENT 'Length in pages, 0 unknown',
    duration_s          UInt32 COMMENT 'Length of the media in seconds, 0 unknown',
    owner               String COMMENT 'Who maintains it',
    audience            Array(String) COMMENT 'Tiers, segments or regions that are entitled to it; empty: every partner',
    published_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'First publication: data.published_at of the newest description that has one, else the time of the first; null: never published',
    retired_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'Last retirement, null: none, or published again since',
    updated_at          DateTime64(3, 'UTC') COMMENT 'Time of the newest description',
    as_of               Nullable(Date) COMMENT 'Day in the tenant''s time zone; the score is of its end',
    score               Nullable(Decimal(18, 6)) COMMENT 'Collateral-consumption score 0-100, the sum of the points',
    reach               Nullable(Decimal(18, 6)) COMMENT 'R: shrunk share of entitled partners that viewed it in 90 days, over its 90th percentile, 0-1',
    depth               Nullable(Decimal(18, 6)) COMMENT 'D: shrunk mean quality of its views, half-life 30 days, 0-1',
    usage               Nullable(Decimal(18, 6)) COMMENT 'U: shrunk downloads, shares and pins per viewing partner in 90 days, over its 90th percentile, 0-1',
    findability         Nullable(Decimal(18, 6)) COMMENT 'F: shrunk click-through in searches in 90 days, over its 90th percentile, 0-1',
    points_reach        Nullable(Decimal(18, 6)) COMMENT '35 times reach',
    points_depth        Nullable(Decimal(18, 6)) COMMENT '35 times depth',
    points_usage        Nullable(Decimal(18, 6)) COMMENT '20 times usage',
    points_findability  Nullable(Decimal(18, 6)) COMMENT '10 times findability',
    findability_imputed Nullable(UInt8) COMMENT '1: no search is known to have shown it',
    partners_entitled   Nullable(UInt64) COMMENT 'Active partners that its audience names by tier, segment, region or a role of their people; without an audience all',
    partners_reached    Nullable(UInt64) COMMENT 'Of those, partners with a view in 90 days',
    partners_viewing    Nullable(UInt64) COMMENT 'All partners with a view in 90 days',
    uses                Nullable(UInt64) COMMENT 'Downloads, shares and pins in 90 days',
    impressions         Nullable(UInt64) COMMENT 'Times that searches are known to have shown it in 90 days',
    search_clicks       Nullable(UInt64) COMMENT 'Clicks on it in searches in 90 days',
    age_days            Nullable(UInt32) COMMENT 'Days since its publication, else since it was first consumed',
    neglected           Nullable(UInt8) COMMENT '1: at least 30 days old and the 95 % upper bound of its reach is below 5 %',
    seen_not_read       Nullable(UInt8) COMMENT '1: reach at least 0.7 and depth below half of the mean'
)
AS
SELECT
    known.tenant AS tenant, known.content_id AS content_id,
    d.title AS title,
    d.kind AS kind,
    d.words AS words,
    d.pages AS pages,
    d.duration_s AS duration_s,
    d.owner AS owner,
    d.audience AS audience,
    d.published_at AS published_at,
    d.retired_at AS retired_at,
    d.updated_at AS updated_at,
    if(s.as_of = toDate(0), NULL, s.as_of) AS as_of,
    if(s.as_of = toDate(0), NULL, s.score) AS score,
    if(s.as_of = toDate(0), NULL, s.reach) AS reach,
    if(s.as_of = toDate(0), NULL, s.depth) AS depth,
    if(s.as_of = toDate(0), NULL, s.usage) AS usage,
    if(s.as_of = toDate(0), NULL, s.findability) AS findability,
    if(s.as_of = toDate(0), NULL, s.points_reach) AS points_reach,
    if(s.as_of = toDate(0), NULL, s.points_depth) AS points_depth,
    if(s.as_of = toDate(0), NULL, s.points_usage) AS points_usage,
    if(s.as_of = toDate(0), NULL, s.points_findability) AS points_findability,
    if(s.as_of = toDate(0), NULL, s.findability_imputed) AS findability_imputed,
    if(s.as_of = toDate(0), NULL, s.partners_entitled) AS partners_entitled,
    if(s.as_of = toDate(0), NULL, s.partners_reached) AS partners_reached,
    if(s.as_of = toDate(0), NULL, s.partners_viewing) AS partners_viewing,
    if(s.as_of = toDate(0), NULL, s.uses) AS uses,
    if(s.as_of = toDate(0), NULL, s.impressions) AS impressions,
    if(s.as_of = toDate(0), NULL, s.search_clicks) AS search_clicks,
    if(s.as_of = toDate(0), NULL, s.age_days) AS age_days,
    if(s.as_of = toDate(0), NULL, s.neglected) AS neglected,
    if(s.as_of = toDate(0), NULL, s.seen_not_read) AS seen_not_read
FROM
(
    SELECT tenant, content_id FROM content FINAL
    UNION DISTINCT
    SELECT tenant, content_id FROM content_daily FINAL
) AS known
LEFT JOIN (SELECT * FROM content FINAL) AS d ON d.tenant = known.tenant AND d.content_id = known.content_id
LEFT JOIN
(
    SELECT *
    FROM content_scores FINAL
    WHERE (tenant, model_version, as_of) IN
    (
        SELECT tenant, argMax(model_version, ver), argMax(scored_through, ver)
        FROM content_progress FINAL
        GROUP BY tenant
    )
) AS s ON s.tenant = known.tenant AND s.content_id = known.content_id
COMMENT 'Content as the directory describes it, with its newest collateral-consumption score; null: not scored, retired for instance';

CREATE OR REPLACE VIEW ${BI}.content_daily
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    content_id    String COMMENT 'The content',
    partner_id    String COMMENT 'The partner',
    day           Date COMMENT 'Day in the tenant''s time zone',
    views         UInt64 COMMENT 'Views',
    readers       UInt64 COMMENT 'Distinct people with a view',
    actors        Array(String) COMMENT 'Those people, so that they can be counted once over several days',
    known_views   UInt64 COMMENT 'Views whose engaged time and depth are known',
    engaged_ms    UInt64 COMMENT 'Engaged time of known_views, milliseconds',
    depth_sum     UInt64 COMMENT 'Sum over known_views of the deepest scroll, 0-100 each',
    downloads     UInt64 COMMENT 'content.downloaded',
    shares        UInt64 COMMENT 'content.shared',
    pins          UInt64 COMMENT 'playbook.pinned that names the content',
    from_search   UInt64 COMMENT 'Views that began in a search',
    from_browse   UInt64 COMMENT 'Views that began by browsing',
    from_email    UInt64 COMMENT 'Views that began in an e-mail',
    from_link     UInt64 COMMENT 'Views that began at a link',
    from_playbook UInt64 COMMENT 'Views that began in a playbook',
    from_unknown  UInt64 COMMENT 'Views whose beginning is not known',
    quick_backs   UInt64 COMMENT 'Views after which the person went on to another page, content or search within 10 s',
    quality       UInt64 COMMENT 'Sum over the views of their quality, millionths: half for time, .3 for depth, .2 for a download, share or pin by the person on the day; at most .1 in a GA4 bounce',
    impressions   UInt64 COMMENT 'Times it was among the results of a search, where the portal tells them (data.results)',
    search_clicks UInt64 COMMENT 'search.clicked'
)
AS
SELECT
    tenant, content_id, partner_id, day, views, readers, actors, known_views, engaged_ms, depth_sum, downloads, shares,
    pins, from_search, from_browse, from_email, from_link, from_playbook, from_unknown, quick_backs, quality,
    impressions, search_clicks
FROM content_daily FINAL
COMMENT 'Consumption per content, partner and day';

CREATE OR REPLACE VIEW ${BI}.content_scores
(
    tenant              LowCardinality(String) COMMENT 'Whose programme',
    model_version       LowCardinality(String) COMMENT 'Version of the formulas',
    content_id          String COMMENT 'The content',
    as_of               Date COMMENT 'Day in the tenant''s time zone; the score is of its end',
    score               Decimal(18, 6) COMMENT 'Collateral-consumption score 0-100, the sum of the points',
    reach               Decimal(18, 6) COMMENT 'R: shrunk share of entitled partners that viewed it in 90 days, over its 90th percentile, 0-1',
    depth               Decimal(18, 6) COMMENT 'D: shrunk mean quality of its views, half-life 30 days, 0-1',
    usage               Decimal(18, 6) COMMENT 'U: shrunk downloads, shares and pins per viewing partner in 90 days, over its 90th percentile, 0-1',
    findability         Decimal(18, 6) COMMENT 'F: shrunk click-through in searches in 90 days, over its 90th percentile, 0-1',
    points_reach        Decimal(18, 6) COMMENT '35 times reach',
    points_depth        Decimal(18, 6) COMMENT '35 times depth',
    points_usage        Decimal(18, 6) COMMENT '20 times usage',
    points_findability  Decimal(18, 6) COMMENT '10 times findability',
    findability_imputed UInt8 COMMENT '1: no search is known to have shown it',
    partners_entitled   UInt64 COMMENT 'Active partners that its audience names by tier, segment, region or a role of their people; without an audience all',
    partners_reached    UInt64 COMMENT 'Of those, partners with a view in 90 days',
    partners_viewing    UInt64 COMMENT 'All partners with a view in 90 days',
    uses                UInt64 COMMENT 'Downloads, shares and pins in 90 days',
    impressions         UInt64 COMMENT 'Times that searches are known to have shown it in 90 days',
    search_clicks       UInt64 COMMENT 'Clicks on it in searches in 90 days',
    age_days            UInt32 COMMENT 'Days since its publication, else since it was first consumed',
    neglected           UInt8 COMMENT '1: at least 30 days old and the 95 % upper bound of its reach is below 5 %',
    seen_not_read       UInt8 COMMENT '1: reach at least 0.7 and depth below half of the mean'
)
AS
SELECT
    tenant, model_version, content_id, as_of, score, reach, depth, usage, findability, points_reach, points_depth,
    points_usage, points_findability, findability_imputed, partners_entitled, partners_reached, partners_viewing, uses,
    impressions, search_clicks, age_days, neglected, seen_not_read
FROM content_scores FINAL
COMMENT 'Collateral-consumption scores by day, explained: the points sum to the score';

CREATE OR REPLACE VIEW ${BI}.partner_content
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    partner_id    String COMMENT 'The partner',
    content_id    String COMMENT 'The content',
    views         UInt64 COMMENT 'Views',
    readers       UInt64 COMMENT 'Distinct people with a view',
    engaged_ms    UInt64 COMMENT 'Engaged time of the views that reported it, milliseconds',
    known_views   UInt64 COMMENT 'Views that reported it',
    mean_depth    Nullable(Float64) COMMENT 'Mean of the deepest scroll of known_views, 0-100',
    uses          UInt64 COMMENT 'Downloads, shares and pins',
    search_clicks UInt64 COMMENT 'Clicks on it in searches',
    mean_quality  Nullable(Float64) COMMENT 'Mean quality of the views, 0-1',
    last_day      Date COMMENT 'Last day with consumption'
)
AS
SELECT
    tenant, partner_id, content_id, sum(c.views) AS views, uniqExactArray(c.actors) AS readers, sum(c.engaged_ms) AS engaged_ms,
    sum(c.known_views) AS known_views,
    if(known_views = 0, NULL, sum(c.depth_sum) / known_views) AS mean_depth,
    sum(c.downloads + c.shares + c.pins) AS uses, sum(c.search_clicks) AS search_clicks,
    if(views = 0, NULL, sum(c.quality) / views / 1000000) AS mean_quality, max(c.day) AS last_day
FROM content_daily AS c FINAL
INNER JOIN (SELECT tenant, max(scored_through) AS through FROM content_progress FINAL GROUP BY tenant) AS p ON p.tenant = c.tenant
WHERE c.day <= p.through AND c.day > p.through - 90
GROUP BY tenant, partner_id, content_id
COMMENT 'What each partner consumed of each content in the 90 days up to the newest scored day of the tenant';

CREATE OR REPLACE VIEW ${BI}.search_daily
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    day          Date COMMENT 'Day in the tenant''s time zone',
    term         String COMMENT 'The query in lower case, white space folded, at most 200 characters',
    queries      UInt64 COMMENT 'search.performed',
    searchers    UInt64 COMMENT 'Distinct people who searched it',
    zero_results UInt64 COMMENT 'Queries without results',
    clicked      UInt64 COMMENT 'Queries with at least one click',
    unclicked    UInt64 COMMENT 'Queries with results and without a click',
    clicks       UInt64 COMMENT 'Clicks on results',
    refined      UInt64 COMMENT 'Queries without a click after which the person searched another term within 5 minutes'
)
AS
SELECT
    tenant, partner_id, day, term, queries, searchers, zero_results, clicked, unclicked, clicks, refined
FROM search_daily FINAL
COMMENT 'Searches per term, partner and day';

CREATE OR REPLACE VIEW ${BI}.search_gaps
(
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    term             String COMMENT 'The query in lower case, white space folded',
    queries          UInt64 COMMENT 'Queries',
    partners         UInt64 COMMENT 'Partners that searched it',
    zero_result_rate Float64 COMMENT 'Share of the queries without results, 0-1',
    click_rate       Float64 COMMENT 'Share of the queries with a click, 0-1',
    refinement_rate  Float64 COMMENT 'Share of the queries that were followed by another term, 0-1',
    kind             LowCardinality(String) COMMENT 'no_results: most fail for want of results; not_clicked: there are results and nobody wants them',
    last_day         Date COMMENT 'Last day on which it was searched'
)
AS
SELECT
    tenant, term, sum(s.queries) AS queries, uniqExact(s.partner_id) AS partners,
    sum(s.zero_results) / queries AS zero_result_rate, sum(s.clicked) / queries AS click_rate, sum(s.refined) / queries AS refinement_rate,
    if(sum(s.zero_results) >= sum(s.unclicked), 'no_results', 'not_clicked') AS kind, max(s.day) AS last_day
FROM search_daily AS s FINAL
INNER JOIN (SELECT tenant, max(scored_through) AS through FROM content_progress FINAL GROUP BY tenant) AS p ON p.tenant = s.tenant
WHERE s.day <= p.through AND s.day > p.through - 90
GROUP BY tenant, term
HAVING queries >= 3 AND 2 * sum(s.zero_results + s.unclicked) >= queries
COMMENT 'Terms of the 90 days up to the newest scored day that people struggle with: at least 3 queries, half or more of them without a result or without a click';

CREATE OR REPLACE VIEW ${BI}.courses
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    course_id    String COMMENT 'The course or certification',
    title        String COMMENT 'Title as shown to people',
    kind         LowCardinality(String) COMMENT 'Kind of course',
    duration_s   UInt32 COMMENT 'Length in seconds, 0 unknown',
    audience     Array(String) COMMENT 'Tiers, segments or regions that it is meant for; empty: every partner',
    published_at DateTime64(3, 'UTC') COMMENT 'First publication',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Time of the newest description'
)
AS
SELECT
    tenant, course_id, title, kind, duration_s, audience, published_at, updated_at
FROM courses FINAL
COMMENT 'Courses as the directory describes them';

CREATE OR REPLACE VIEW ${BI}.training
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
    updated_at        DateTime64(3, 'UTC') COMMENT 'Newest event'
)
AS
SELECT
    tenant, partner_id, course_id, enrolled, started, progressed, completed, passed, failed, certified, learners,
    first_at, last_completed_at, last_certified_at, updated_at
FROM training_state FINAL
COMMENT 'Training by partner and course, counted since the beginning';

CREATE OR REPLACE VIEW ${BI}.certificates
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    course_id    String COMMENT 'The course',
    actor        String COMMENT 'Who holds it',
    certified_at DateTime64(3, 'UTC') COMMENT 'When it was given',
    expires_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When it expires, null: never'
)
AS
SELECT tenant, partner_id, course_id, c.actor AS actor, c.certified_at AS certified_at,
    if(toYear(c.expires_at) = 2299, NULL, c.expires_at) AS expires_at
FROM training_state FINAL
ARRAY JOIN certificates AS c
COMMENT 'The newest certificate of each person and course';

CREATE OR REPLACE VIEW ${BI}.training_commitments
(
    tenant            LowCardinality(String) COMMENT 'Whose programme',
    partner_id        String COMMENT 'The partner',
    course_id         String COMMENT 'The course, empty: training of any kind',
    cadence_days      UInt32 COMMENT 'A completion is due every so many days',
    set_at            DateTime64(3, 'UTC') COMMENT 'When it was last set',
    last_completed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last completion, pass or certification that counts for it, null: none'
)
AS
SELECT
    c.tenant AS tenant, c.partner_id AS partner_id, c.course_id AS course_id, any(c.cadence_days) AS cadence_days, any(c.set_at) AS set_at,
    maxOrNullIf(t.last_completed_at, c.course_id IN ('', t.course_id)) AS last_completed_at
FROM (SELECT * FROM training_commitments FINAL) AS c
LEFT JOIN (SELECT tenant, partner_id, course_id, last_completed_at FROM training_state FINAL) AS t
    ON t.tenant = c.tenant AND t.partner_id = c.partner_id
GROUP BY c.tenant, c.partner_id, c.course_id
COMMENT 'Training cadences that partners are committed to, and what they kept';

CREATE OR REPLACE VIEW ${BI}.deals
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
    annual_amount    Nullable(Decimal(18, 4)) COMMENT 'Annual contract value: amount of a year of a recurring contract, else amount'
)
AS
SELECT
    tenant, partner_id, deal_id, status, stage, opened_at, registered_at, accepted_at, rejected_at, won_at, lost_at,
    closed_at, cycle_ms, amount, currency, margin_pct, recurring_months, influence, lead_id, stages, stage_times,
    events, updated_at,
    if(recurring_months > 0, amount * 12 / recurring_months, amount) AS annual_amount
FROM deal_state FINAL
COMMENT 'Deals with what became of them';

CREATE OR REPLACE VIEW ${BI}.deal_stages
(
    tenant     LowCardinality(String) COMMENT 'Whose programme',
    partner_id String COMMENT 'The partner',
    deal_id    String COMMENT 'The deal',
    stage      String COMMENT 'The stage',
    place      UInt32 COMMENT '1: the first stage that was named',
    reached_at DateTime64(3, 'UTC') COMMENT 'When it was first reached',
    opened_at  DateTime64(3, 'UTC') COMMENT 'First event of the deal'
)
AS
SELECT tenant, partner_id, deal_id, stage_ AS stage, place_ AS place, at_ AS reached_at, opened_at
FROM deal_state FINAL
ARRAY JOIN stages AS stage_, stage_times AS at_, arrayEnumerate(stages) AS place_
COMMENT 'Stages that each deal has reached';

CREATE OR REPLACE VIEW ${BI}.leads
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    lead_id      String COMMENT 'The lead',
    referred_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'First lead.referred; null: only a deal names it',
    converted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First event of a deal that names the lead; null: none does',
    amount       Nullable(Decimal(18, 4)) COMMENT 'Amount that lead.referred last named',
    currency     LowCardinality(String) COMMENT 'ISO 4217',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Its newest event'
)
AS
SELECT
    tenant, partner_id, lead_id, referred_at, converted_at, amount, currency, updated_at
FROM lead_state FINAL
COMMENT 'Leads that partners passed on';

CREATE OR REPLACE VIEW ${BI}.support_requests
(
    tenant       LowCardinality(String) COMMENT 'Whose programme',
    partner_id   String COMMENT 'The partner',
    ticket_id    String COMMENT 'The support request',
    phase        LowCardinality(String) COMMENT 'before, during or after the sale, as last named',
    requested_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First support.requested',
    resolved_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'Last support.resolved; null: not resolved',
    response_s   Nullable(UInt32) COMMENT 'Response time as last reported, seconds',
    updated_at   DateTime64(3, 'UTC') COMMENT 'Its newest event'
)
AS
SELECT
    tenant, partner_id, ticket_id, phase, requested_at, resolved_at, response_s, updated_at
FROM ticket_state FINAL
COMMENT 'Support requests of partners';

CREATE OR REPLACE VIEW ${BI}.programme_daily
(
    tenant              LowCardinality(String) COMMENT 'Whose programme',
    day                 Date COMMENT 'Day in the tenant''s time zone',
    partners_active     UInt64 COMMENT 'Partners with a person who was active',
    user_days           UInt64 COMMENT 'Sum over the partners of people who were active',
    sessions            UInt64 COMMENT 'Sessions',
    logins              UInt64 COMMENT 'Logins',
    content_views       UInt64 COMMENT 'Content views',
    searches            UInt64 COMMENT 'Searches',
    trainings_completed UInt64 COMMENT 'training.completed and training.passed',
    certifications      UInt64 COMMENT 'training.certified',
    leads_referred      UInt64 COMMENT 'Leads',
    deals_registered    UInt64 COMMENT 'Deals registered',
    deals_won           UInt64 COMMENT 'Deals won',
    deals_lost          UInt64 COMMENT 'Deals lost',
    nps_count           UInt64 COMMENT 'NPS answers',
    nps_promoters       UInt64 COMMENT 'Answers 9 and 10',
    nps_detractors      UInt64 COMMENT 'Answers 0 to 6'
)
AS
SELECT
    tenant, day, countIf(d.active_users > 0) AS partners_active, sum(d.active_users) AS user_days, sum(d.sessions) AS sessions,
    sum(d.logins) AS logins, sum(d.content_views) AS content_views, sum(d.searches) AS searches,
    sum(d.training_completed + d.training_passed) AS trainings_completed, sum(d.training_certified) AS certifications,
    sum(d.leads_referred) AS leads_referred, sum(d.deals_registered) AS deals_registered, sum(d.deals_won) AS deals_won,
    sum(d.deals_lost) AS deals_lost, sum(d.nps_count) AS nps_count, sum(d.nps_promoters) AS nps_promoters, sum(d.nps_detractors) AS nps_detractors
FROM partner_daily AS d FINAL
GROUP BY tenant, day
COMMENT 'Metrics per programme and day; days without an event have no row';

CREATE OR REPLACE VIEW ${BI}.alerts
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    partner_id    String COMMENT 'The partner',
    transition_id String COMMENT 'Identity of the transition, the id of the message',
    alert_id      String COMMENT 'Identity of the episode',
    fingerprint   String COMMENT 'Identity of tenant, partner, rule and component',
    rule          LowCardinality(String) COMMENT 'sessions_drop, ghosting or never_activated',
    status        LowCardinality(String) COMMENT 'firing, resolved or rebaselined',
    severity      LowCardinality(String) COMMENT 'info, warning or critical',
    sequence      UInt32 COMMENT 'Number of the transition of this rule and partner, from 1',
    day           Date COMMENT 'Last day that was counted when the status changed',
    firing_day    Date COMMENT 'Day on which the episode fired',
    change_day    Date COMMENT 'Estimated first day of the new level',
    statistic     Float64 COMMENT 'Statistic on the day, nats (days for never_activated)',
    threshold     Float64 COMMENT 'Threshold, same unit',
    baseline_rate Float64 COMMENT 'Sessions per average day before the change',
    current_rate  Float64 COMMENT 'Sessions per average day since',
    drop_pct      Float64 COMMENT 'Estimated drop, per cent',
    published     UInt8 COMMENT '1: on the topic',
    historical    UInt8 COMMENT '1: too old to tell when it was found, not published',
    recorded_at   DateTime64(3, 'UTC') COMMENT 'When this row was written'
)
AS
SELECT
    tenant, partner_id, transition_id, alert_id, fingerprint, rule, status, severity, sequence, day, firing_day,
    change_day, statistic, threshold, baseline_rate, current_rate, drop_pct, published, historical, recorded_at
FROM alerts FINAL
COMMENT 'Transitions of alerts; the newest sequence of a fingerprint is its state';

CREATE OR REPLACE VIEW ${BI}.rejects
(
    tenant          LowCardinality(String) COMMENT 'Whose programme; empty when the record does not say',
    day             Date COMMENT 'UTC day of rejected_at',
    code            LowCardinality(String) COMMENT 'Why, for programs: docs/COLLECTOR.md lists the codes',
    rejected_at     DateTime64(3, 'UTC') COMMENT 'When it was refused; of an event of the collector, when it arrived',
    stage           LowCardinality(String) COMMENT 'Who refused it: collector or enricher; rejects: the record itself cannot be read',
    portal          LowCardinality(String) COMMENT 'Which portal sent it',
    key_id          LowCardinality(String) COMMENT 'Which key was used',
    source          LowCardinality(String) COMMENT 'Way in: tracker, api, segment, xapi, cloudevents, pixel',
    event_id        String COMMENT 'The event''s id, when it could be read or was made',
    event_type      String COMMENT 'The event''s type, when it could be read',
    pointer         String COMMENT 'JSON Pointer to what is wrong; empty is the event itself',
    message         String COMMENT 'What is wrong and how to mend it',
    event_topic     LowCardinality(String) COMMENT 'Refused by the enricher: topic of the event',
    event_partition Int32 COMMENT 'Refused by the enricher: partition of the event',
    event_offset    Int64 COMMENT 'Refused by the enricher: offset of the event',
    truncated       Bool COMMENT 'Only the first part of the bytes is kept',
    topic           LowCardinality(String) COMMENT 'Topic of this reject',
    partition       Int32 COMMENT 'Partition of this reject',
    offset          Int64 COMMENT 'Offset of this reject'
)
AS
SELECT
    tenant, day, code, rejected_at, stage, portal, key_id, source, event_id, event_type, pointer, message, event_topic,
    event_partition, event_offset, truncated, topic, partition, offset
FROM rejects FINAL
COMMENT 'Refused events of the last 90 days; `partnerpulse replay` sends them again';

CREATE OR REPLACE VIEW ${BI}.pipeline_health
(
    tenant                 LowCardinality(String) COMMENT 'Whose programme',
    dirty_keys             UInt64 COMMENT 'Days of partners that wait to be recomputed; 0: every stored event is counted',
    oldest_dirty_hour      Nullable(DateTime('UTC')) COMMENT 'Since when the oldest of them waits, null: none does',
    newest_day             Nullable(Date) COMMENT 'Newest day with an event',
    scored_through         Nullable(Date) COMMENT 'Day up to which all partners have a score',
    content_scored_through Nullable(Date) COMMENT 'Day up to which all content has a score',
    rejects                UInt64 COMMENT 'Refused events that are kept, of 90 days',
    newest_reject_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When an event was last refused, null: never'
)
AS
SELECT
    tenant, sum(n_dirty) AS dirty_keys, min(hour_) AS oldest_dirty_hour, max(newest_) AS newest_day, min(scored_) AS scored_through,
    min(content_) AS content_scored_through, sum(n_rejects) AS rejects, max(reject_) AS newest_reject_at
FROM
(
    SELECT
        tenant, countIf(marks > finished) AS n_dirty, minOrNullIf(hour, marks > finished) AS hour_, CAST(NULL, 'Nullable(Date)') AS newest_,
        CAST(NULL, 'Nullable(Date)') AS scored_, CAST(NULL, 'Nullable(Date)') AS content_, 0 AS n_rejects,
        CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS reject_
    FROM (SELECT hour, tenant, partner_id, day, sum(marked) AS marks, max(done) AS finished FROM dirty_days GROUP BY hour, tenant, partner_id, day)
    GROUP BY tenant
    UNION ALL
    SELECT tenant, 0, NULL, maxOrNullIf(day, events > 0), NULL, NULL, 0, NULL FROM partner_daily FINAL GROUP BY tenant
    UNION ALL
    SELECT tenant, 0, NULL, NULL, min(through), NULL, 0, NULL
    FROM (SELECT tenant, partner_id, max(scored_through) AS through FROM partner_progress FINAL GROUP BY tenant, partner_id)
    GROUP BY tenant
    UNION ALL
    SELECT tenant, 0, NULL, NULL, NULL, max(if(redo_from < scored_through, redo_from - 1, scored_through)), 0, NULL FROM content_progress FINAL GROUP BY tenant
    UNION ALL
    SELECT tenant, 0, NULL, NULL, NULL, NULL, count(), max(rejected_at) FROM rejects FINAL GROUP BY tenant
)
GROUP BY tenant
COMMENT 'Whether the numbers are up to date';
