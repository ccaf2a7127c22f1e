-- One command.
SELECT command_id, tenant, alert_id, partner_id, action, if(until = toDate(0), '', toString(until)) AS until_, actor, note, issued_at
FROM alert_commands FINAL
WHERE tenant = {tenant:String} AND command_id = {command:String}
