-- Pipeline by partner: conversion by stage
-- Of a partner's deals opened in the last 180 days, how many reached each stage (cohort).
SELECT tenant, partner_id, stage, count() AS reached, round(reached / any(opened), 3) AS share_of_opened, round(avg(place), 1) AS mean_place
FROM bi.deal_stages
INNER JOIN
(
    SELECT tenant, partner_id, count() AS opened FROM bi.deals WHERE toDate(opened_at) > today() - 180 GROUP BY tenant, partner_id
) AS cohort USING (tenant, partner_id)
WHERE toDate(opened_at) > today() - 180
GROUP BY tenant, partner_id, stage
ORDER BY tenant, partner_id, reached DESC, mean_place, stage
