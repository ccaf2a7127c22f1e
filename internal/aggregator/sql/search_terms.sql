-- Searches by term and day, of terms that were searched often enough to be told.
SELECT
    term, groupArray(toInt32(day)) AS days, groupArray(asked) AS searches, groupArray(in_vain) AS failed
FROM
(
    SELECT term, day, sum(queries) AS asked, sum(zero_results) + sum(unclicked) AS in_vain
    FROM search_daily FINAL
    WHERE tenant = {tenant:String} AND day <= {complete:Date} AND term != ''
    GROUP BY term, day
    ORDER BY term, day
)
GROUP BY term
HAVING sum(in_vain) > 0 AND sum(asked) >= {searches_min:UInt64}
ORDER BY term
