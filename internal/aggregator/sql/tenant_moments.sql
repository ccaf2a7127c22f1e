-- Sums over the partners whose history covers a window of days, for the prior of a
-- partner's rate and the dispersion of counts (internal/detect, Moments), by the
-- segment that the partners were in before the window's end. Pairs are of all, and are
-- a partner's counts on a day and seven days before; skipped are days that were
-- frozen or had a factor, silent those that do not count at all.
WITH
    arrayMap(x -> toDate(x), {skipped:Array(Int32)}) AS skipped,
    arrayMap(x -> toDate(x), {silent:Array(Int32)}) AS silent,
    counts AS
    (
        SELECT partner_id, day, sessions
        FROM partner_daily FINAL
        WHERE tenant = {tenant:String} AND day >= {from:Date} AND day < {to:Date} AND sessions > 0
          AND partner_id IN
          (
              SELECT partner_id FROM partner_daily
              WHERE tenant = {tenant:String} AND sessions > 0 AND day <= {from:Date} + 7
          )
    ),
    pairs AS
    (
        SELECT partner_id, day, sum(later) AS a, sum(earlier) AS b
        FROM
        (
            SELECT c.partner_id AS partner_id, c.day AS day, c.sessions AS later, 0 AS earlier
            FROM counts AS c WHERE c.day >= {from:Date} + 7
            UNION ALL
            SELECT c.partner_id AS partner_id, c.day + 7 AS day, 0 AS later, c.sessions AS earlier
            FROM counts AS c WHERE c.day + 7 < {to:Date}
        )
        WHERE NOT has(skipped, day) AND NOT has(skipped, day - 7)
        GROUP BY partner_id, day
    ),
    partners AS
    (
        SELECT partner_id, sumIf(sessions, NOT has(silent, day)) AS y FROM counts GROUP BY partner_id
    ),
    placed AS
    (
        SELECT partner_id, argMax(segment, valid_from) AS segment
        FROM partner_history FINAL
        WHERE tenant = {tenant:String} AND valid_from < {to:Date}
        GROUP BY partner_id
    )
SELECT
    toString(h.segment) AS segment_, count() AS partners, sum(p.y) AS sum_, sum(p.y * p.y) AS sum_squares,
    (SELECT sum(a + b) FROM pairs) AS pair_sums,
    (SELECT sum(a * b) FROM pairs) AS pair_product,
    (SELECT sum(toUInt64((toInt64(a) - toInt64(b)) * (toInt64(a) - toInt64(b)))) FROM pairs) AS pair_squares
FROM partners AS p LEFT JOIN placed AS h ON h.partner_id = p.partner_id
GROUP BY segment_
ORDER BY segment_
