-- Engagement score
-- Newest score of every partner, with its programme tier and owner.
SELECT tenant, partner_id, owner, tier, as_of, score, engagement_tier
FROM bi.partners
ORDER BY tenant, score DESC NULLS LAST, partner_id
