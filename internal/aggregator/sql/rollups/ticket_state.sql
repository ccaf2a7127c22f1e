SELECT
    partner_id, ticket_id,
    argMaxIf(phase_, at, phase_ != '') AS phase,
    minOrNullIf(time, type = 'support.requested') AS requested_at,
    maxOrNullIf(time, type = 'support.resolved') AS resolved_at,
    argMaxIf(response, at, response IS NOT NULL) AS response_s,
    max(time) AS updated_at
FROM
(
    SELECT
        partner_id, entity_id AS ticket_id, type, time, (time, received_at, id) AS at,
        toString(phase) AS phase_, response_s AS response
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND kind = 'ticket'
      AND (partner_id, entity_id) IN ({{pairs "ticket"}})
)
GROUP BY partner_id, ticket_id
