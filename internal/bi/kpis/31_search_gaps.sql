-- Searches that users struggle with
-- Terms that people search and mostly find nothing for, or nothing that they open.
SELECT tenant, term, queries, partners, round(zero_result_rate, 3) AS zero_results, round(click_rate, 3) AS clicks, kind
FROM bi.search_gaps
ORDER BY tenant, queries DESC, term
