-- One page of rejects that a replay asks for, in the order of its cursor: the
-- instant, then the id, of the last one of the page before. An empty tenant, stage,
-- or list of codes is any; skipped are codes that are left out unless named. The
-- days bound what is read of the sorting key.
SELECT id, rejected_at, tenant, stage, source, code, event_id, event_type, message, original, truncated
FROM rejects FINAL
WHERE ({tenant:String} = '' OR tenant = {tenant:String})
  AND day >= toDate(fromUnixTimestamp64Milli({since:Int64}, 'UTC'))
  AND day <= toDate(fromUnixTimestamp64Milli({until:Int64}, 'UTC'))
  AND rejected_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
  AND rejected_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
  AND (empty({codes:Array(String)}) AND NOT has({skipped:Array(String)}, code) OR has({codes:Array(String)}, code))
  AND ({stage:String} = '' OR stage = {stage:String})
  AND (rejected_at, id) > (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:UInt64})
ORDER BY rejected_at, id
LIMIT {count:UInt32}
