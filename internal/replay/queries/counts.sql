-- How many rejects a replay would take, with an example of each kind.
SELECT
    tenant, stage, source, code,
    count() AS rejects,
    countIf(truncated) AS truncated_rejects,
    min(rejected_at) AS first,
    max(rejected_at) AS last,
    argMax(event_id, (rejected_at, id)) AS event_id,
    argMax(event_type, (rejected_at, id)) AS event_type,
    argMax(message, (rejected_at, id)) AS message,
    argMax(original, (rejected_at, id)) AS original
FROM
(
    SELECT *
    FROM rejects FINAL
    WHERE ({tenant:String} = '' OR tenant = {tenant:String})
      AND day >= toDate(fromUnixTimestamp64Milli({since:Int64}, 'UTC'))
      AND day <= toDate(fromUnixTimestamp64Milli({until:Int64}, 'UTC'))
      AND rejected_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
      AND rejected_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
      AND (empty({codes:Array(String)}) AND NOT has({skipped:Array(String)}, code) OR has({codes:Array(String)}, code))
      AND ({stage:String} = '' OR stage = {stage:String})
    ORDER BY rejected_at, id
    LIMIT {count:UInt64}
)
GROUP BY tenant, stage, source, code
ORDER BY tenant, rejects DESC, stage, source, code
