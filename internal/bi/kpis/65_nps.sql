-- Programme: NPS
-- Share of promoters (9, 10) less share of detractors (0 to 6), times 100, of the answers of the last 90 days.
SELECT tenant, sum(nps_count) AS answers, round(100 * (toInt64(sum(nps_promoters)) - toInt64(sum(nps_detractors))) / answers, 1) AS nps
FROM bi.partner_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant
HAVING answers > 0
ORDER BY tenant
