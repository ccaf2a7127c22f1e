-- Which segments the batch's partners were put into, and from which days on.
SELECT partner_id, groupArray(toInt32(valid_from)) AS days, groupArray(toString(segment)) AS segments
FROM
(
    SELECT partner_id, valid_from, segment
    FROM partner_history FINAL
    WHERE tenant = {tenant:String}
      AND partner_id IN (SELECT partner_id FROM agg_partners WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String})
    ORDER BY partner_id, valid_from
)
GROUP BY partner_id
