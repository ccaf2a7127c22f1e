-- The channel managers of partners, by their newest description that names one.
SELECT partner_id, argMax(JSONExtractString(data, 'owner'), (time, id)) AS owner
FROM events FINAL
WHERE tenant = {tenant:String} AND partner_id IN {partners:Array(String)}
  AND type = 'partner.upserted' AND JSONHas(data, 'owner')
GROUP BY partner_id
