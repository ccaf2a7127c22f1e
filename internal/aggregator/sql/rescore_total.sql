-- How many partners of a tenant have a history by a day.
SELECT uniqExact(partner_id) AS partners
FROM partner_daily FINAL
WHERE tenant = {tenant:String} AND day <= {to:Date} AND (events > 0 OR upserts > 0)
