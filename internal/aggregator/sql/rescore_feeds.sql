-- The feeds that the aggregator has scored with last; none, if it has not scored yet.
SELECT arrayMap(x -> toInt32(x), argMax(feeds, ver)) AS days
FROM partner_progress
WHERE tenant = {tenant:String}
HAVING length(days) = 5
