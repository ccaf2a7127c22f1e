-- The models of a tenant: one version, or all. Of a version that was stored twice at
-- the same time, the first one counts.
SELECT
    version,
    argMin(model, (created_at, checksum)) AS content,
    argMin(checksum, (created_at, checksum)) AS sum,
    min(created_at) AS created
FROM score_models
WHERE tenant = {tenant:String} AND ({all:UInt8} OR version = {version:String})
GROUP BY version
ORDER BY created, version
