-- Training: cadence compliance
-- Whether the last completion is no older than the cadence that the partner is committed to.
SELECT
    tenant, partner_id, course_id, cadence_days, dateDiff('day', toDate(last_completed_at), today()) AS days_since,
    ifNull(days_since <= cadence_days, 0) AS compliant
FROM bi.training_commitments
ORDER BY tenant, partner_id, course_id
