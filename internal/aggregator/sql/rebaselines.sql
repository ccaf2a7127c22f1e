-- Accepted levels on days that the batch detects again.
SELECT c.command_id AS command_id, c.partner_id AS partner_id, toInt32(c.day) AS day_
FROM alert_commands AS c FINAL
INNER JOIN
(
    SELECT partner_id, detect_from
    FROM agg_partners
    WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
      AND detect_from <= greatest({complete:Date}, detected_through)
) AS p ON p.partner_id = c.partner_id
WHERE c.tenant = {tenant:String} AND c.action = 'rebaseline' AND c.day >= p.detect_from
ORDER BY command_id
