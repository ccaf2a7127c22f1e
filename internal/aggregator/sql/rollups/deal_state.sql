SELECT
    partner_id, deal_id,
    argMaxIf(transform(type, ['deal.registered', 'deal.accepted', 'deal.rejected', 'deal.won', 'deal.lost'],
        ['registered', 'accepted', 'rejected', 'won', 'lost'], 'open'), at, type != 'deal.stage_changed') AS reached,
    if(reached = '', 'open', reached) AS status,
    argMaxIf(stage_, at, stage_ != '') AS stage,
    min(time) AS opened_at,
    minOrNullIf(time, type = 'deal.registered') AS registered_at,
    minOrNullIf(time, type = 'deal.accepted') AS accepted_at,
    minOrNullIf(time, type = 'deal.rejected') AS rejected_at,
    minOrNullIf(time, type = 'deal.won') AS won_at,
    minOrNullIf(time, type = 'deal.lost') AS lost_at,
    multiIf(status = 'won', won_at, status = 'lost', lost_at, NULL) AS closed_at,
    toUnixTimestamp64Milli(closed_at) - toUnixTimestamp64Milli(coalesce(registered_at, opened_at)) AS cycle_ms,
    argMaxIf(amount_, at, amount_ IS NOT NULL) AS amount,
    argMaxIf(currency_, at, currency_ != '') AS currency,
    argMaxIf(margin_, at, margin_ IS NOT NULL) AS margin_pct,
    toUInt32(argMaxIf(JSONExtractFloat(data, 'recurring_months'), at, JSONHas(data, 'recurring_months'))) AS recurring_months,
    argMaxIf(influence_, at, influence_ != '') AS influence,
    argMaxIf(lead, at, lead != '') AS lead_id,
    -- The stages by the first event that names each.
    arraySort(groupArrayIf((at, stage_), stage_ != '')) AS named,
    arrayMap(x -> x.2, named) AS names,
    arrayFilter((x, i) -> indexOf(names, x.2) = i, named, arrayEnumerate(named)) AS firsts,
    arrayMap(x -> x.2, firsts) AS stages,
    arrayMap(x -> x.1.1, firsts) AS stage_times,
    count() AS events,
    max(time) AS updated_at
FROM
(
    SELECT
        partner_id, entity_id AS deal_id, toString(type) AS type, time, (time, received_at, id) AS at,
        toString(stage) AS stage_, amount AS amount_, toString(currency) AS currency_, margin_pct AS margin_,
        toString(influence) AS influence_, lead_id AS lead, data
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND kind = 'deal'
      AND (partner_id, entity_id) IN ({{pairs "deal"}})
)
GROUP BY partner_id, deal_id
