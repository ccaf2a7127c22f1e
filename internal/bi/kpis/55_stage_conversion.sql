-- Pipeline: conversion by stage
-- Of the deals opened in the last 180 days, how many reached each stage (cohort).
SELECT tenant, stage, count() AS reached, round(reached / any(opened), 3) AS share_of_opened, round(avg(place), 1) AS mean_place
FROM bi.deal_stages
INNER JOIN (SELECT tenant, count() AS opened FROM bi.deals WHERE toDate(opened_at) > today() - 180 GROUP BY tenant) AS cohort USING (tenant)
WHERE toDate(opened_at) > today() - 180
GROUP BY tenant, stage
ORDER BY tenant, reached DESC, mean_place, stage
