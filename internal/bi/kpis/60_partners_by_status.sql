-- Programme: partners by status
-- Partners of the directory by status and programme tier.
SELECT tenant, status, tier, count() AS partners
FROM bi.partners
GROUP BY tenant, status, tier
ORDER BY tenant, status, tier
