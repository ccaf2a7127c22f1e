-- The events of a page of partners that scores and outcomes rest on, in the order of
-- partners.
SELECT
    partner_id AS partner, id, toString(type) AS kind, if(user_id != '', user_id, anonymous_id) AS actor, time AS at, received_at AS received,
    session_id, view_id, content_id, playbook_id, engaged_ms, least(max_scroll_pct, 100) AS scroll, words, duration_s,
    toString(stage) AS stage_to, toString(prev_stage) AS stage_from, toInt32(ifNull(nps, 255)) AS answer,
    toInt64(if(type = 'training.commitment_set', JSONExtractUInt(data, 'cadence_days'), 0)) AS cadence,
    if(type = 'partner.upserted', JSONExtractString(data, 'segment'), '') AS segment,
    if(type = 'partner.upserted', lower(JSONExtractString(data, 'status')), '') AS status
FROM events FINAL
WHERE tenant = {tenant:String} AND partner_id > {after:String}
  AND partner_id IN
  (
      SELECT DISTINCT partner_id
      FROM events
      WHERE tenant = {tenant:String} AND partner_id > {after:String} AND partner_id != '-'
      ORDER BY partner_id
      LIMIT {page:UInt64}
  )
  AND NOT internal AND NOT is_bot
  AND (type IN {types:Array(String)} OR type IN ('training.commitment_set', 'partner.upserted'))
ORDER BY partner_id, time, id
