-- Reads the columns that a score reads, once, exactly, and adds them up by partner
-- without weighing them: an answer per partner is what a score is at least.
SELECT
    partner_id,
    sum(v_activity), sum(v_content), sum(v_training), sum(v_pipeline), sum(nps_count), sum(nps_promoters), sum(nps_detractors),
    sum(training_completed), sum(training_passed), sum(training_certified), max(cadence_days), max(segment), max(day)
FROM partner_daily FINAL
WHERE tenant = {tenant:String}
GROUP BY partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1
FORMAT Null
