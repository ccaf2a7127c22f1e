-- The newest version of one document, also one that says it was deleted.
SELECT content_type, body, updated, deleted, ver
FROM xapi_documents FINAL
WHERE tenant = {tenant:String} AND portal = {portal:String} AND activity = {activity:String}
  AND agent = {agent:String} AND registration = {registration:String} AND id = {id:String}
SETTINGS max_execution_time = 3
