-- Training: days since the last completion
-- By partner.
SELECT tenant, partner_id, dateDiff('day', toDate(max(last_completed_at)), today()) AS days_since_last
FROM bi.training
GROUP BY tenant, partner_id
ORDER BY tenant, days_since_last DESC NULLS FIRST, partner_id
