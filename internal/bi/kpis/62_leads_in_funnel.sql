-- Programme: leads in the funnel
-- Leads of the last 90 days that no deal names yet, and deals that are open.
SELECT tenant, sum(is_lead) AS open_leads, sum(is_deal) AS open_deals
FROM
(
    SELECT tenant, 1 AS is_lead, 0 AS is_deal FROM bi.leads WHERE converted_at IS NULL AND toDate(referred_at) > today() - 90
    UNION ALL
    SELECT tenant, 0, 1 FROM bi.deals WHERE status IN ('open', 'registered', 'accepted')
)
GROUP BY tenant
ORDER BY tenant
