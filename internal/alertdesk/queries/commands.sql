-- Commands about one alert that are not folded in yet.
SELECT command_id, tenant, alert_id, partner_id, action, if(until = toDate(0), '', toString(until)) AS until_, actor, note, issued_at
FROM alert_commands FINAL
WHERE tenant = {tenant:String} AND alert_id = {alert:String} AND done = 0
ORDER BY issued_at, command_id
