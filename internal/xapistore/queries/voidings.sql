-- Who voids statements with some of a tenant's ids, whether they are there or not.
-- Of several the one with the smallest id is told, so that the answer stays the same.
SELECT portal, target, min(voided_by) AS voided_by
FROM xapi_voidings
WHERE tenant = {tenant:String} AND target IN {ids:Array(String)}
GROUP BY portal, target
SETTINGS max_execution_time = 3
