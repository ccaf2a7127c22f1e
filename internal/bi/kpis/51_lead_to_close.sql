-- Pipeline: lead-to-close ratio
-- Deals won in the last 90 days for each lead referred in them; and of the leads referred in them, the share that a deal names (cohort).
SELECT tenant, leads, won, if(leads = 0, NULL, round(won / leads, 3)) AS lead_to_close, if(leads = 0, NULL, round(converted / leads, 3)) AS leads_converted
FROM
(
    SELECT tenant, sum(is_lead) AS leads, sum(is_converted) AS converted, sum(is_won) AS won
    FROM
    (
        SELECT tenant, 1 AS is_lead, converted_at IS NOT NULL AS is_converted, 0 AS is_won FROM bi.leads WHERE toDate(referred_at) > today() - 90
        UNION ALL
        SELECT tenant, 0, 0, 1 FROM bi.deals WHERE status = 'won' AND toDate(won_at) > today() - 90
    )
    GROUP BY tenant
)
ORDER BY tenant
