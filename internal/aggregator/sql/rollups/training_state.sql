SELECT
    partner_id, course_id,
    countIf(type = 'training.enrolled') AS enrolled,
    countIf(type = 'training.started') AS started,
    countIf(type = 'training.progressed') AS progressed,
    countIf(type = 'training.completed') AS completed,
    countIf(type = 'training.passed') AS passed,
    countIf(type = 'training.failed') AS failed,
    countIf(type = 'training.certified') AS certified,
    uniqExact(actor) AS learners,
    min(time) AS first_at,
    maxOrNullIf(time, type IN ('training.completed', 'training.passed', 'training.certified')) AS last_completed_at,
    maxOrNullIf(time, type = 'training.certified') AS last_certified_at,
    -- The newest certification of each person.
    arrayReverseSort(groupArrayIf((time, received_at, id, actor, ifNull(expires_at, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))),
        type = 'training.certified')) AS given,
    arrayMap(x -> x.4, given) AS holders,
    arraySort(arrayMap(x -> (x.4, x.1, x.5), arrayFilter((x, i) -> indexOf(holders, x.4) = i, given, arrayEnumerate(given)))) AS certificates,
    max(time) AS updated_at
FROM
(
    SELECT partner_id, entity_id AS course_id, toString(type) AS type, time, received_at, id, actor, expires_at
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND kind = 'training'
      AND (partner_id, entity_id) IN ({{pairs "training"}})
)
GROUP BY partner_id, course_id
