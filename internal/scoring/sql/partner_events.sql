-- The newest events of one partner that a score can rest on.
SELECT
    id, toString(type) AS kind, if(user_id != '', user_id, anonymous_id) AS actor, time AS at,
    session_id, view_id, content_id, playbook_id, engaged_ms, least(max_scroll_pct, 100) AS scroll, words, duration_s,
    toString(stage) AS stage_to, toString(prev_stage) AS stage_from, toInt32(ifNull(nps, 255)) AS answer
FROM events FINAL
WHERE tenant = {tenant:String} AND partner_id = {partner:String}
  AND day <= {as_of:Date} + 1
  AND toDate(time, {tz:String}) <= {as_of:Date}
  AND NOT internal AND NOT is_bot
  AND type IN {types:Array(String)}
ORDER BY time DESC, id
LIMIT {most:UInt64}
