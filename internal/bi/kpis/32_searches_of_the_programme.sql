-- Searches of the programme: queries, terms, zero-result rate, click-through rate, refinements
-- Over all terms, last 90 days.
SELECT
    tenant, sum(queries) AS all_queries, uniqExact(term) AS terms, uniqExact(partner_id) AS partners,
    round(sum(zero_results) / all_queries, 3) AS zero_result_rate, round(sum(clicked) / all_queries, 3) AS click_through_rate,
    sum(refined) AS refinements
FROM bi.search_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant
ORDER BY tenant
