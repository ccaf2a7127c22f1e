-- One row per person and local day with at least one counted event.
CREATE TABLE IF NOT EXISTS user_daily
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
    events              UInt64 COMMENT 'All counted events',
    is_deleted          UInt8 COMMENT '1: there are no such events any more',
    ver                 UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day, actor)
COMMENT 'Metrics per person and local day, exact with FINAL';

-- One row per content, partner and local day. A view is a view_id of one person; it
-- belongs to the day of its first content.viewed, and one that goes on from the day
-- before is not counted again. Its engaged time and depth are the largest that were
-- reported on that day and the next.
CREATE TABLE IF NOT EXISTS content_daily
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
    search_clicks UInt64 COMMENT 'search.clicked',
    is_deleted    UInt8 COMMENT '1: there are no such events any more',
    ver           UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day, content_id)
COMMENT 'Consumption per content, partner and local day, exact with FINAL';

-- One row per search term, partner and local day. A click belongs to the last query
-- of its search_id before it, if that was on the same day or the day before.
CREATE TABLE IF NOT EXISTS search_daily
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
    refined      UInt64 COMMENT 'Queries without a click after which the person searched another term within 5 minutes',
    is_deleted   UInt8 COMMENT '1: there are no such events any more',
    ver          UInt64 COMMENT 'Batch that wrote the row, Unix nanoseconds' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, partner_id, day, term)
COMMENT 'Searches per term, partner and local day, exact with FINAL';
