-- Recomputes the batch's days of partner_daily from the events and sessions, and
-- writes the rows that are new or changed; a row whose events are gone becomes
-- zeros. An unchanged row keeps its ver: ver tells what has yet to be scored. One of an
-- epoch before gets a new one, since nobody can tell whether its worker came to score it.
INSERT INTO partner_daily
(
    tenant, partner_id, day,
    sessions, engaged_sessions, ga4_bounces, single_view_bounces, engaged_ms, engaged_views, session_views,
    active_users, logins, page_views, content_views, downloads, shares, pins, unpins,
    searches, zero_result_searches, search_clicks,
    training_enrolled, training_started, training_progressed, training_completed, training_passed,
    training_failed, training_certified,
    leads_referred, deals_registered, deals_accepted, deals_rejected, deals_moved, deals_forward,
    deals_won, deals_lost, meetings, support_requested, support_resolved,
    nps_count, nps_sum, nps_promoters, nps_detractors, cadence_days, upserts, segment, events,
    v_activity, v_content, v_training, v_pipeline, ver
)
WITH
    days AS
    (
        SELECT partner_id, day
        FROM agg_days
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
    ),
    raw AS
    (
        SELECT partner_id, local, type, actor, time, id, results_count, nps, stage, prev_stage, data
        FROM agg_events
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
          AND (partner_id, local) IN (SELECT partner_id, day FROM days)
    ),
    -- Per person and type first: the score counts only so many of a kind.
    kinds AS
    (
        SELECT
            partner_id, local, actor, type,
            if(type IN {directory:Array(String)}, 0, count()) AS n,
            countIf(type = 'partner.upserted') AS n_upserts,
            countIf(results_count = 0) AS n_zero,
            countIf(type = 'portal.login' AND JSONExtractRaw(data, 'success') = 'false') AS n_failed,
            -- Forward: to a later of the known stages; with an unknown stage on either
            -- side, any change counts.
            countIf(type = 'deal.stage_changed' AND stage != prev_stage
                AND (indexOf({stages:Array(String)}, lower(stage)) = 0
                  OR indexOf({stages:Array(String)}, lower(prev_stage)) = 0
                  OR indexOf({stages:Array(String)}, lower(stage)) > indexOf({stages:Array(String)}, lower(prev_stage)))) AS n_forward,
            countIf(type = 'survey.nps_answered' AND isNotNull(nps)) AS n_nps,
            sumIf(ifNull(nps, 0), type = 'survey.nps_answered') AS sum_nps,
            countIf(type = 'survey.nps_answered' AND nps >= 9) AS n_promoters,
            countIf(type = 'survey.nps_answered' AND nps <= 6) AS n_detractors,
            maxIf((time, id, JSONExtractUInt(data, 'cadence_days')), type = 'training.commitment_set') AS commitment,
            maxIf((time, id, JSONExtractString(data, 'segment')), type = 'partner.upserted' AND JSONExtractString(data, 'segment') != '') AS placement
        FROM raw
        GROUP BY partner_id, local, actor, type
    ),
    counted AS
    (
        SELECT
            partner_id, local,
            (
                uniqExactIf(actor, type IN {interactive:Array(String)}),
                sumIf(n - n_failed, type = 'portal.login'),
                sumIf(n, type = 'page.viewed'),
                sumIf(n, type = 'content.viewed'),
                sumIf(n, type = 'content.downloaded'),
                sumIf(n, type = 'content.shared'),
                sumIf(n, type = 'playbook.pinned'),
                sumIf(n, type = 'playbook.unpinned'),
                sumIf(n, type = 'search.performed'),
                sumIf(n_zero, type = 'search.performed'),
                sumIf(n, type = 'search.clicked'),
                sumIf(n, type = 'training.enrolled'),
                sumIf(n, type = 'training.started'),
                sumIf(n, type = 'training.progressed'),
                sumIf(n, type = 'training.completed'),
                sumIf(n, type = 'training.passed'),
                sumIf(n, type = 'training.failed'),
                sumIf(n, type = 'training.certified'),
                sumIf(n, type = 'lead.referred'),
                sumIf(n, type = 'deal.registered'),
                sumIf(n, type = 'deal.accepted'),
                sumIf(n, type = 'deal.rejected'),
                sumIf(n, type = 'deal.stage_changed'),
                sum(n_forward),
                sumIf(n, type = 'deal.won'),
                sumIf(n, type = 'deal.lost'),
                sumIf(n, type = 'meeting.held'),
                sumIf(n, type = 'support.requested'),
                sumIf(n, type = 'support.resolved'),
                sum(n_nps), sum(sum_nps), sum(n_promoters), sum(n_detractors),
                max(commitment).3,
                sum(n_upserts),
                max(placement).3,
                sum(n)
            ) AS counts,
            (
                1000000 * toInt64(uniqExactIf(actor, type IN {interactive:Array(String)})),
                sum(toInt64(least(n, {counted_max:UInt64})) * multiIf(type = 'training.progressed', 250000,
                    type = 'training.completed', 1000000, type = 'training.certified', 2000000, 0)),
                sum(toInt64(least(n_forward, {counted_max:UInt64})) * 2000000
                    + toInt64(least(n, {counted_max:UInt64})) * multiIf(type = 'deal.registered', 3000000, type = 'deal.won', 4000000, 0))
            ) AS inputs
        FROM kinds
        GROUP BY partner_id, local
        HAVING sum(n) > 0 OR sum(n_upserts) > 0 OR max(commitment).3 > 0
    ),
    started AS
    (
        SELECT
            partner_id, day,
            (
                count(), countIf(engaged = 1), countIf(engaged = 0), countIf(single_view_bounce = 1),
                sum(engaged_ms), sum(engaged_views), sum(views)
            ) AS totals,
            sum(quality) AS q
        FROM sessions FINAL
        WHERE tenant = {tenant:String}
          AND day >= {low:Date} AND day <= {high:Date}
          AND (partner_id, day) IN (SELECT partner_id, day FROM days)
        GROUP BY partner_id, day
    ),
    merged AS
    (
        SELECT
            counted.partner_id AS partner_id, counted.local AS local,
            CAST(tupleConcat(started.totals, counts, (inputs.1, started.q, inputs.2, inputs.3)),
                 {measures:String}) AS measures,
            1 AS fresh, toUInt64(0) AS stored_ver
        FROM counted
        LEFT JOIN started ON started.partner_id = counted.partner_id AND started.day = counted.local
        UNION ALL
        SELECT
            partner_id, day,
            CAST((
                sessions, engaged_sessions, ga4_bounces, single_view_bounces, engaged_ms, engaged_views, session_views,
                active_users, logins, page_views, content_views, downloads, shares, pins, unpins,
                searches, zero_result_searches, search_clicks,
                training_enrolled, training_started, training_progressed, training_completed, training_passed,
                training_failed, training_certified,
                leads_referred, deals_registered, deals_accepted, deals_rejected, deals_moved, deals_forward,
                deals_won, deals_lost, meetings, support_requested, support_resolved,
                nps_count, nps_sum, nps_promoters, nps_detractors, cadence_days, upserts, segment, events,
                v_activity, v_content, v_training, v_pipeline
            ), {measures:String}), 0, ver
        FROM partner_daily FINAL
        WHERE tenant = {tenant:String}
          AND day >= {low:Date} AND day <= {high:Date}
          AND (partner_id, day) IN (SELECT partner_id, day FROM days)
    )
SELECT {tenant:String}, partner_id, local, untuple(anyIf(measures, fresh = 1)), {batch:UInt64}
FROM merged
GROUP BY partner_id, local
HAVING anyIf(measures, fresh = 1) != anyIf(measures, fresh = 0) OR max(fresh) = 1 AND max(stored_ver) < {epoch:UInt64}
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
