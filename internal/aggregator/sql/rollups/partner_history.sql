-- A description holds from its local day on; fields that it does not name stay.
SELECT
    partner_id, local AS valid_from,
    last.1 AS name, last.2 AS tier, last.3 AS segment, last.4 AS region, last.5 AS owner, last.6 AS status,
    parseDateTime64BestEffortOrNull(last.7, 3, 'UTC') AS joined_at,
    last.8 AS updated_at
FROM
(
    SELECT partner_id, local, argMax((name_, tier_, segment_, region_, owner_, status_, joined_, time), (time, received_at, id)) AS last
    FROM
    (
        SELECT
            partner_id, time, received_at, id,
            toDate(time, {tz:String}) AS local,
            argMaxIf(JSONExtractString(data, 'name'), (time, received_at, id), JSONHas(data, 'name')) OVER w AS name_,
            argMaxIf(JSONExtractString(data, 'tier'), (time, received_at, id), JSONHas(data, 'tier')) OVER w AS tier_,
            argMaxIf(JSONExtractString(data, 'segment'), (time, received_at, id), JSONHas(data, 'segment')) OVER w AS segment_,
            argMaxIf(JSONExtractString(data, 'region'), (time, received_at, id), JSONHas(data, 'region')) OVER w AS region_,
            argMaxIf(JSONExtractString(data, 'owner'), (time, received_at, id), JSONHas(data, 'owner')) OVER w AS owner_,
            argMaxIf(JSONExtractString(data, 'status'), (time, received_at, id), JSONHas(data, 'status')) OVER w AS status_,
            argMaxIf(JSONExtractString(data, 'joined_at'), (time, received_at, id), JSONHas(data, 'joined_at')) OVER w AS joined_
        FROM entity_events FINAL
        WHERE tenant = {tenant:String} AND kind = 'partner' AND partner_id IN ({{partners "partner"}})
        WINDOW w AS (PARTITION BY partner_id ORDER BY time, received_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
    GROUP BY partner_id, local
)
