-- Searches: queries, zero-result rate, click-through rate, refinements
-- By term, last 90 days.
SELECT
    tenant, term, sum(queries) AS all_queries, round(sum(zero_results) / all_queries, 3) AS zero_result_rate,
    round(sum(clicked) / all_queries, 3) AS click_through_rate, sum(refined) AS refinements
FROM bi.search_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant, term
ORDER BY tenant, all_queries DESC, term
