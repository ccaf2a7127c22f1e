-- Commands that are not folded yet, in the order in which they were given.
SELECT command_id, alert_id, partner_id, action, until, day, actor, note, issued_at
FROM alert_commands FINAL
WHERE tenant = {tenant:String} AND done = 0
ORDER BY issued_at, command_id
