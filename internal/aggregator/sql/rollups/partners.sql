SELECT partner_id, name, tier, segment, region, owner, status, joined_at, updated_at
FROM partner_history FINAL
WHERE tenant = {tenant:String} AND partner_id IN ({{partners "partner"}})
ORDER BY valid_from DESC
LIMIT 1 BY partner_id
