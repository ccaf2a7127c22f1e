-- Hours of marks that lie before the given one and are worked off.
SELECT partition AS id
FROM
(
    SELECT _partition_id AS partition, hour, tenant, partner_id, day, sum(marked) > max(done) AS open
    FROM dirty_days
    WHERE hour < toDateTime({before:String}, 'UTC')
    GROUP BY partition, hour, tenant, partner_id, day
)
GROUP BY partition
HAVING sum(open) = 0
ORDER BY partition
