-- The newest change of what a day means for partners, and the first day with sessions.
SELECT
    (SELECT max(ver) FROM tenant_inputs WHERE tenant = {tenant:String}) AS ver,
    (SELECT toInt32(min(day)) FROM partner_daily WHERE tenant = {tenant:String} AND sessions > 0) AS first
