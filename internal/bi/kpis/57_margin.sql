-- Pipeline: margin
-- Margin of deals won in the last 90 days, weighed by amount, by currency.
SELECT
    tenant, currency, round(toFloat64(sum(amount * margin_pct)) / toFloat64(sum(amount)), 2) AS mean_margin_pct,
    round(toFloat64(sum(amount * margin_pct)) / 100, 2) AS margin_amount
FROM bi.deals
WHERE status = 'won' AND toDate(won_at) > today() - 90 AND amount > 0 AND margin_pct IS NOT NULL
GROUP BY tenant, currency
ORDER BY tenant, currency
