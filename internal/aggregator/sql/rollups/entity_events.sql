-- The batch's events about entities.
SELECT
    partner_id,
    transform(toString(type),
        ['partner.upserted', 'user.upserted', 'content.published', 'content.retired', 'course.published',
         'training.commitment_set', 'lead.referred', 'support.requested', 'support.resolved'],
        ['partner', 'user', 'content', 'content', 'course', 'commitment', 'lead', 'ticket', 'ticket'],
        splitByChar('.', toString(type))[1]) AS kind,
    multiIf(
        kind = 'partner', partner_id,
        kind = 'user', JSONExtractString(data, 'user_id'),
        kind = 'content', content_id,
        kind IN ('course', 'commitment', 'training'), course_id,
        kind = 'lead', lead_id,
        kind = 'deal', deal_id,
        JSONExtractString(data, 'ticket_id')) AS entity_id,
    day, id, type, time, received_at,
    actor,
    stage,
    if(JSONHas(data, 'amount'), amount_, NULL) AS amount,
    currency,
    toDecimal64(toInt64(round(toFloat64(margin_pct_) * 10000)), 4) / 10000 AS margin_pct,
    influence, lead_id, expires_at, phase, response_s, data
FROM
(
    SELECT * EXCEPT (amount, margin_pct), amount AS amount_, margin_pct AS margin_pct_
    FROM agg_events
    WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
      AND (partner_id, day) IN ({{dirty}})
      AND type IN {entities:Array(String)}
)
WHERE entity_id != '' OR kind IN ('commitment', 'training')
