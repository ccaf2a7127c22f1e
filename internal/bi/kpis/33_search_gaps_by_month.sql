-- Searches that users struggle with, month by month
-- By the end of each month of the last year, of the 90 days before it.
SELECT tenant, as_of, term, queries, partners, round(zero_result_rate, 3) AS zero_results, round(click_rate, 3) AS clicks, kind
FROM bi.search_gap_history
WHERE as_of > today() - 365
ORDER BY tenant, as_of, queries DESC, term
