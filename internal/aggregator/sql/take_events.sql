-- The counted events that the batch's days are worked out from. A day's sessions
-- depend on two local days before it and one after; a local day lies within the UTC
-- day of the same date and its two neighbours. No rollup needs more. What a rollup
-- sees beyond what it needs must not matter, since other days of a batch bring it, too.
INSERT INTO agg_events
(
    batch_id, tenant, partner_id, day, local, id, type, time, received_at, actor, session_id,
    view_id, content_id, words, duration_s, playbook_id, entry_source, engaged_ms, max_scroll_pct,
    search_id, query, results_count, course_id, expires_at, lead_id, deal_id, stage, prev_stage,
    amount, currency, margin_pct, influence, phase, response_s, nps, data
)
SELECT
    {batch:UInt64}, tenant, partner_id, day, toDate(time, {tz:String}), id, type, time, received_at,
    if(user_id != '', user_id, anonymous_id), session_id,
    view_id, content_id, words, duration_s, playbook_id, entry_source, engaged_ms, max_scroll_pct,
    search_id, query, results_count, course_id, expires_at, lead_id, deal_id, stage, prev_stage,
    amount, currency, margin_pct, influence, phase, response_s, nps,
    if(type IN {with_data:Array(String)}, data, '')
FROM events FINAL
WHERE tenant = {tenant:String}
  AND day >= {low:Date} - 3
  AND day <= {high:Date} + 2
  AND (partner_id, day) IN
  (
      SELECT DISTINCT partner_id, day + arrayJoin([-3, -2, -1, 0, 1, 2])
      FROM agg_days
      WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
  )
  AND NOT internal AND NOT is_bot
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
