-- Messages whose attempts are used up, oldest first; of all endpoints when none is named.
SELECT endpoint, delivery_id, tenant, owner, alert_ids, sequences, body, status, attempts, next_at, last_error, created_at, updated_at
FROM notifier_deliveries FINAL
WHERE status = 'dead' AND ({endpoint:String} = '' OR endpoint = {endpoint:String})
ORDER BY created_at, endpoint, delivery_id
