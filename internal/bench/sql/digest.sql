-- A number that two tables share only if they hold the same events, of the columns that
-- every party fills: all but those of the user agent, and ver.
SELECT
    count() AS events,
    groupBitXor(cityHash64(
        tenant, partner_id, day, id, type, time, received_at, portal, source, key_id, user_id, anonymous_id, session_id,
        internal, ip, url, referrer, title, user_agent, locale, timezone, screen,
        (utm_source, utm_medium, utm_campaign, utm_term, utm_content), view_id, path, content_id, content_kind,
        words, pages, duration_s, playbook_id, entry_source, engaged_ms, max_scroll_pct, pages_seen, media_pct, channel,
        search_id, query, results_count, position, course_id, progress, ifNull(toString(score_scaled), '-'), ifNull(toString(due_at), '-'), ifNull(toString(expires_at), '-'), lead_id, deal_id,
        stage, prev_stage, amount, currency, ifNull(toString(margin_pct), '-'), influence, phase, ifNull(toString(response_s), '-'), survey_id, ifNull(toString(nps), '-'), data)) AS digest
FROM events FINAL
