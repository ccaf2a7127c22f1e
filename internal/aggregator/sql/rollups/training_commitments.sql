SELECT
    partner_id, entity_id AS course_id,
    toUInt32(argMax(JSONExtractFloat(data, 'cadence_days'), (time, received_at, id))) AS cadence_days,
    max(time) AS set_at
FROM entity_events FINAL
WHERE tenant = {tenant:String} AND kind = 'commitment'
  AND partner_id IN ({{partners "commitment"}})
GROUP BY partner_id, entity_id
