-- The ids of a place's documents that changed after since.
SELECT id
FROM xapi_documents FINAL
WHERE tenant = {tenant:String} AND portal = {portal:String} AND activity = {activity:String}
  AND agent = {agent:String} AND registration = {registration:String}
  AND NOT deleted AND updated > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY id
SETTINGS max_execution_time = 3
