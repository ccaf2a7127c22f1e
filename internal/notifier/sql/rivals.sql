-- Messages of an endpoint, composed since an instant, that tell of any of some alerts.
SELECT endpoint, delivery_id, tenant, owner, alert_ids, sequences, '' AS body, status, attempts, next_at, last_error, created_at, updated_at
FROM notifier_deliveries FINAL
WHERE endpoint = {endpoint:String} AND status != 'superseded' AND hasAny(alert_ids, {alerts:Array(String)})
  AND created_at >= toDateTime64({since:String}, 3, 'UTC')
ORDER BY created_at, delivery_id
