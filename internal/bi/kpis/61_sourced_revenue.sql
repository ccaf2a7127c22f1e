-- Programme: sourced and influenced revenue
-- Amounts of deals won in the last 90 days, by currency.
SELECT
    tenant, currency, ifNull(sumIf(amount, influence = 'sourced'), 0) AS sourced, ifNull(sumIf(amount, influence = 'influenced'), 0) AS influenced,
    ifNull(sumIf(amount, influence = ''), 0) AS not_said
FROM bi.deals
WHERE status = 'won' AND toDate(won_at) > today() - 90
GROUP BY tenant, currency
ORDER BY tenant, currency
