-- Endpoints that want no messages any more.
SELECT endpoint, url_hash, reason
FROM notifier_endpoints FINAL
WHERE disabled = 1
ORDER BY endpoint, url_hash
