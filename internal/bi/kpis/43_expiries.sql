-- Training: expiries
-- Certificates that have expired or will within 60 days.
SELECT tenant, partner_id, course_id, actor, toDate(expires_at) AS expires, expires <= today() AS expired
FROM bi.certificates
WHERE expires_at IS NOT NULL AND expires <= today() + 60
ORDER BY tenant, expires, partner_id, course_id, actor
