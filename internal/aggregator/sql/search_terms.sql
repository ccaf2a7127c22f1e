-- Searches by term and day, of terms that were searched often enough to be told.
SELECT
    term, groupArray(toInt32(day)) AS days, groupArray(searches) AS searches, groupArray(failed) AS failed
FROM
(
    SELECT term, day, sum(queries) AS searches, sum(zero_results) + sum(unclicked) AS failed
    FROM search_daily FINAL
    WHERE tenant = {tenant:String} AND day <= {complete:Date} AND term != ''
    GROUP BY term, day
    ORDER BY term, day
)
GROUP BY term
HAVING sum(failed) > 0 AND sum(searches) >= {searches_min:UInt64}
ORDER BY term
