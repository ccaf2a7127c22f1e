-- Training: completions, certifications, pass rate
-- By partner and course, since the beginning.
SELECT
    tenant, partner_id, course_id, completed + passed AS completions, certified AS certifications,
    if(passed + failed = 0, NULL, round(passed / (passed + failed), 3)) AS pass_rate
FROM bi.training
ORDER BY tenant, partner_id, course_id
