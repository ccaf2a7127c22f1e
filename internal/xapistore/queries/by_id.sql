-- The statements with some of a tenant's ids.
SELECT id, time, received_at, key_id, portal, partner_id, data
FROM events FINAL
WHERE (tenant, partner_id, day, id) IN (
    SELECT tenant, partner_id, day, id
    FROM xapi_statements
    WHERE tenant = {tenant:String} AND id IN {ids:Array(String)}
)
AND source = 'xapi'
SETTINGS max_execution_time = 3
