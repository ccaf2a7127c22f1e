-- How many days mark_days.sql marks, and of how many partners.
SELECT uniqExact(partner_id) AS partners, uniqExact(partner_id, day) AS days
FROM
(
    SELECT partner_id, day FROM events
    WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date}
    UNION DISTINCT
    SELECT partner_id, day FROM partner_daily
    WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date}
)
