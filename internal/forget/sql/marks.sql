-- How far the marks of an erasure have been worked off.
SELECT hour, partner_id, day, sum(marked) AS marks, max(done) AS worked
FROM dirty_days
WHERE tenant = {tenant:String} AND has({partners:Array(String)}, partner_id) AND hour >= toDateTime({hour:Int64}, 'UTC')
GROUP BY hour, partner_id, day
