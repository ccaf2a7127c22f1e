-- How many events of each probing partner are stored.
SELECT partner_id, uniqExact(id) AS n
FROM events
WHERE tenant = {tenant:String} AND partner_id >= {first:String} AND partner_id <= {last:String}
GROUP BY partner_id
