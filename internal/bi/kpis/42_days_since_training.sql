-- Training: days since the last completion
-- By partner and course, and by partner over all courses.
SELECT
    tenant, partner_id, course_id, dateDiff('day', toDate(last_completed_at), today()) AS days_since_last,
    min(days_since_last) OVER (PARTITION BY tenant, partner_id) AS days_since_any
FROM bi.training
ORDER BY tenant, days_since_any DESC NULLS FIRST, partner_id, course_id
