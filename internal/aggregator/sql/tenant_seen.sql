-- The last day of the tenant that another configuration has seen.
SELECT toInt32(max(day)) AS seen
FROM tenant_days FINAL
WHERE tenant = {tenant:String} AND config != {config:String}
