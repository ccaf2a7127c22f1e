-- What each endpoint was told of each alert last. What is only written down counts:
-- it will be sent. What is superseded will not.
SELECT endpoint, alert_id, max(seq) AS sequence, max(created_at) AS at
FROM
(
    SELECT endpoint, created_at, arrayJoin(arrayZip(alert_ids, sequences)) AS pair, pair.1 AS alert_id, pair.2 AS seq
    FROM notifier_deliveries FINAL
    WHERE status != 'superseded'
)
GROUP BY endpoint, alert_id
ORDER BY endpoint, alert_id
