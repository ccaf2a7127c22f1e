-- Programme: partners trained and certified
-- Trained: with a completion in the last 365 days. Certified: with a certificate that is valid today.
SELECT tenant, uniqExactIf(partner_id, is_trained) AS partners_trained, uniqExactIf(partner_id, is_certified) AS partners_certified
FROM
(
    SELECT tenant, partner_id, ifNull(toDate(last_completed_at) > today() - 365, 0) AS is_trained, 0 AS is_certified FROM bi.training
    UNION ALL
    SELECT tenant, partner_id, 0, expires_at IS NULL OR toDate(expires_at) > today() FROM bi.certificates
)
GROUP BY tenant
ORDER BY tenant
