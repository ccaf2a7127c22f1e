-- Messages whose time has come, oldest first.
SELECT endpoint, delivery_id, tenant, owner, alert_ids, sequences, body, status, attempts, next_at, last_error, created_at, updated_at
FROM notifier_deliveries FINAL
WHERE endpoint = {endpoint:String} AND status = 'queued' AND next_at <= toDateTime64({now:String}, 3, 'UTC')
ORDER BY created_at, delivery_id
LIMIT {most:UInt64}
