-- The feeds that the partner's scores were computed with; of days that the aggregator has
-- not scored by this model, those that it has scored with last by any model, as rescore
-- does. None if it has not scored yet.
SELECT
    arrayMap(x -> toInt32(x), argMax(feeds, (
        model_version = {model:String} AND partner_id = {partner:String} AND scored_through >= {as_of:Date}, ver))) AS days
FROM partner_progress FINAL
WHERE tenant = {tenant:String}
HAVING length(days) = 5
