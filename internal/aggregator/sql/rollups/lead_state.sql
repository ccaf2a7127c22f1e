-- All leads of the partners: a lead that a deal no longer names has to go too.
SELECT
    partner_id, lead AS lead_id,
    minOrNullIf(time, kind = 'lead') AS referred_at,
    minOrNullIf(time, kind = 'deal') AS converted_at,
    argMaxIf(amount_, at, kind = 'lead' AND amount_ IS NOT NULL) AS amount,
    argMaxIf(currency_, at, kind = 'lead' AND currency_ != '') AS currency,
    max(time) AS updated_at
FROM
(
    SELECT
        partner_id, kind, lead_id AS lead, time, (time, received_at, id) AS at,
        amount AS amount_, toString(currency) AS currency_
    FROM entity_events FINAL
    WHERE tenant = {tenant:String} AND kind IN ('lead', 'deal') AND lead_id != ''
      AND partner_id IN ({{partners "lead" "deal"}})
)
GROUP BY partner_id, lead
