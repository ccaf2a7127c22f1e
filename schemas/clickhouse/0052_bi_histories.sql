-- What partners consumed and what was searched in vain, as of past ends of months, for BI
-- tools. Nothing is stored for it: the days are kept, and a late event changes the months
-- that it belongs to. ${BI} is clickhouse.bi_database.
CREATE OR REPLACE VIEW ${BI}.partner_content_history
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    partner_id    String COMMENT 'The partner',
    content_id    String COMMENT 'The content',
    as_of         Date COMMENT 'Last day of a month, in the tenant''s time zone',
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
    tenant, partner_id, content_id, as_of, sum(c.views) AS views, uniqExactArray(c.actors) AS readers, sum(c.engaged_ms) AS engaged_ms,
    sum(c.known_views) AS known_views,
    if(known_views = 0, NULL, sum(c.depth_sum) / known_views) AS mean_depth,
    sum(c.downloads + c.shares + c.pins) AS uses, sum(c.search_clicks) AS search_clicks,
    if(views = 0, NULL, sum(c.quality) / views / 1000000) AS mean_quality, max(c.day) AS last_day
FROM
(
    SELECT *, arrayJoin(arrayMap(n -> toLastDayOfMonth(addMonths(toStartOfMonth(day), n)), [0, 1, 2, 3])) AS as_of
    FROM content_daily FINAL
) AS c
INNER JOIN (SELECT tenant, max(scored_through) AS through FROM content_progress FINAL GROUP BY tenant) AS p ON p.tenant = c.tenant
WHERE as_of <= p.through AND c.day > as_of - 90
GROUP BY tenant, partner_id, content_id, as_of
COMMENT 'What each partner consumed of each content in the 90 days up to the end of each month';

CREATE OR REPLACE VIEW ${BI}.search_gap_history
(
    tenant           LowCardinality(String) COMMENT 'Whose programme',
    term             String COMMENT 'The query in lower case, white space folded',
    as_of            Date COMMENT 'Last day of a month, in the tenant''s time zone',
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
    tenant, term, as_of, sum(s.queries) AS queries, uniqExact(s.partner_id) AS partners,
    sum(s.zero_results) / queries AS zero_result_rate, sum(s.clicked) / queries AS click_rate, sum(s.refined) / queries AS refinement_rate,
    if(sum(s.zero_results) >= sum(s.unclicked), 'no_results', 'not_clicked') AS kind, max(s.day) AS last_day
FROM
(
    SELECT *, arrayJoin(arrayMap(n -> toLastDayOfMonth(addMonths(toStartOfMonth(day), n)), [0, 1, 2, 3])) AS as_of
    FROM search_daily FINAL
) AS s
INNER JOIN (SELECT tenant, max(scored_through) AS through FROM content_progress FINAL GROUP BY tenant) AS p ON p.tenant = s.tenant
WHERE as_of <= p.through AND s.day > as_of - 90
GROUP BY tenant, term, as_of
HAVING queries >= 3 AND 2 * sum(s.zero_results + s.unclicked) >= queries
COMMENT 'Terms that people struggled with in the 90 days up to the end of each month, by the rule of search_gaps';
