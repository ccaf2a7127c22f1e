-- The typed columns of events that come from data, in one pass over it. The user agent
-- stays unparsed: ClickHouse has nothing that does it, so this is less than the job.
CREATE MATERIALIZED VIEW bench_view TO events AS
WITH JSONExtract(data, 'Tuple(
    view_id String, path String, title String, content_id String, kind String, words UInt32, pages UInt32,
    duration_s UInt32, playbook_id String, entry_source String, engaged_ms UInt32, max_scroll_pct UInt8,
    pages_seen UInt32, media_pct UInt8, channel String, search_id String, query String, results_count UInt32,
    position UInt32, course_id String, progress Float32, score_scaled Nullable(Float32), due_at String,
    expires_at String, lead_id String, deal_id String, stage String, prev_stage String, amount Decimal(18, 4),
    currency String, margin_pct Nullable(Float32), influence String, phase String, response_s Nullable(UInt32),
    survey_id String, score Nullable(Float64))') AS d
SELECT
    tenant, subject AS partner_id, toDate(time) AS day, id, type, time, receivedat AS received_at, portal, via AS source,
    keyid AS key_id, userid AS user_id, anonymousid AS anonymous_id, sessionid AS session_id, internal,
    ip, url, referrer, if(title = '', d.title, title) AS title, useragent AS user_agent, locale, timezone, screen,
    utmsource AS utm_source, utmmedium AS utm_medium, utmcampaign AS utm_campaign, utmterm AS utm_term, utmcontent AS utm_content,
    d.view_id AS view_id, d.path AS path, d.content_id AS content_id,
    if(startsWith(type, 'content.'), d.kind, '') AS content_kind,
    d.words AS words, d.pages AS pages, d.duration_s AS duration_s, d.playbook_id AS playbook_id,
    d.entry_source AS entry_source, d.engaged_ms AS engaged_ms, d.max_scroll_pct AS max_scroll_pct,
    d.pages_seen AS pages_seen, d.media_pct AS media_pct, d.channel AS channel, d.search_id AS search_id, d.query AS query,
    d.results_count AS results_count, d.position AS position, d.course_id AS course_id,
    toFloat32(d.progress / 100) AS progress, d.score_scaled AS score_scaled,
    parseDateTime64BestEffortOrNull(d.due_at, 3, 'UTC') AS due_at,
    parseDateTime64BestEffortOrNull(d.expires_at, 3, 'UTC') AS expires_at,
    d.lead_id AS lead_id, d.deal_id AS deal_id, d.stage AS stage, d.prev_stage AS prev_stage, d.amount AS amount,
    d.currency AS currency, d.margin_pct AS margin_pct, d.influence AS influence, d.phase AS phase,
    d.response_s AS response_s, d.survey_id AS survey_id,
    if(type = 'survey.nps_answered', toUInt8(d.score), NULL) AS nps,
    data,
    bitShiftLeft(toUInt64(4398046511103 - toUnixTimestamp64Milli(receivedat)), 22) AS ver
FROM bench_queue
