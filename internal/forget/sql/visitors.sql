-- Anonymous ids that became this user and nobody else.
SELECT anonymous_id AS id
FROM events
WHERE tenant = {tenant:String} AND anonymous_id != ''
  AND anonymous_id IN (SELECT anonymous_id FROM events WHERE tenant = {tenant:String} AND has({ids:Array(String)}, user_id))
GROUP BY anonymous_id
HAVING countIf(user_id != '' AND NOT has({ids:Array(String)}, user_id)) = 0
ORDER BY id
