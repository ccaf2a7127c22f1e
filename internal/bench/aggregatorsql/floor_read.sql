-- Reads the columns that a score reads, once.
SELECT
    sum(v_activity), sum(v_content), sum(v_training), sum(v_pipeline), sum(nps_count), sum(nps_promoters), sum(nps_detractors),
    sum(training_completed), sum(training_passed), sum(training_certified), max(cadence_days), max(segment), max(day), max(partner_id)
FROM partner_daily
WHERE tenant = {tenant:String}
FORMAT Null
