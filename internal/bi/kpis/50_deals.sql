-- Pipeline: deals registered, accepted, won, lost
-- By partner, rolling 90 days.
SELECT
    tenant, partner_id,
    countIf(toDate(registered_at) > today() - 90) AS registered, countIf(toDate(accepted_at) > today() - 90) AS accepted,
    countIf(toDate(won_at) > today() - 90) AS won, countIf(toDate(lost_at) > today() - 90) AS lost
FROM bi.deals
GROUP BY tenant, partner_id
HAVING registered + accepted + won + lost > 0
ORDER BY tenant, partner_id
