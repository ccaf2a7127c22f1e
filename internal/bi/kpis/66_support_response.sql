-- Programme: support response time
-- Mean and longest response, in minutes, of requests resolved in the last 90 days, by phase of the sale.
SELECT tenant, phase, count() AS requests, round(avg(response_s) / 60, 1) AS mean_minutes, round(max(response_s) / 60, 1) AS longest_minutes
FROM bi.support_requests
WHERE response_s IS NOT NULL AND toDate(resolved_at) > today() - 90
GROUP BY tenant, phase
ORDER BY tenant, phase
