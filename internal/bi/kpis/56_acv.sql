-- Pipeline: ACV
-- Mean annual contract value of deals won in the last 90 days, by currency.
SELECT tenant, currency, count() AS won, round(toFloat64(avg(annual_amount)), 2) AS acv
FROM bi.deals
WHERE status = 'won' AND toDate(won_at) > today() - 90 AND amount IS NOT NULL
GROUP BY tenant, currency
ORDER BY tenant, currency
