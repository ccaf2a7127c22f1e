-- Pipeline by partner: lead-to-close, % accepted vs closed, win rate, sales cycle
-- Rolling: what was referred, accepted, won and lost in the last 90 days, whenever it began. Cohort: what became of the leads and the deals that were referred and accepted in them.
SELECT
    tenant, partner_id, sum(is_lead) AS leads, sum(is_won) AS won, sum(is_lost) AS lost,
    if(leads = 0, NULL, round(won / leads, 3)) AS lead_to_close,
    if(leads = 0, NULL, round(sum(is_converted) / leads, 3)) AS cohort_leads_converted,
    sum(is_accepted) AS accepted,
    if(accepted = 0, NULL, round(100 * (won + lost) / accepted, 1)) AS closed_per_accepted_pct,
    if(accepted = 0, NULL, round(100 * sum(is_accepted_closed) / accepted, 1)) AS cohort_closed_pct,
    if(accepted = 0, NULL, round(100 * sum(is_accepted_won) / accepted, 1)) AS cohort_won_pct,
    if(won + lost = 0, NULL, round(won / (won + lost), 3)) AS win_rate,
    round(avgOrNull(won_cycle_ms) / 86400000, 2) AS mean_cycle_days
FROM
(
    SELECT
        tenant, partner_id, 1 AS is_lead, converted_at IS NOT NULL AS is_converted, 0 AS is_accepted, 0 AS is_accepted_closed,
        0 AS is_accepted_won, 0 AS is_won, 0 AS is_lost, CAST(NULL, 'Nullable(Int64)') AS won_cycle_ms
    FROM bi.leads
    WHERE toDate(referred_at) > today() - 90
    UNION ALL
    SELECT
        tenant, partner_id, 0, 0, ifNull(toDate(accepted_at) > today() - 90, 0) AS was_accepted, was_accepted AND status IN ('won', 'lost'),
        was_accepted AND status = 'won', ifNull(status = 'won' AND toDate(won_at) > today() - 90, 0) AS was_won,
        ifNull(status = 'lost' AND toDate(lost_at) > today() - 90, 0), if(was_won, cycle_ms, NULL)
    FROM bi.deals
)
GROUP BY tenant, partner_id
HAVING leads + accepted + won + lost > 0
ORDER BY tenant, partner_id
