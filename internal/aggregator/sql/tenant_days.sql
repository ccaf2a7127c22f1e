-- What is stored of the tenant's days: the model's results and what they mean for
-- partners. States are read only of the day before from.
SELECT
    toInt32(d.day) AS day, d.fingerprint AS fingerprint, i.factor AS factor, i.frozen AS frozen,
    i.dispersion AS dispersion, i.prior_sessions AS prior_sessions, i.prior_days AS prior_days,
    i.prior_segments AS prior_segments, i.segment_sessions AS segment_sessions, i.segment_days AS segment_days, i.ver AS ver
FROM (SELECT * FROM tenant_days FINAL WHERE tenant = {tenant:String} AND config = {config:String}) AS d
LEFT JOIN (SELECT * FROM tenant_inputs FINAL WHERE tenant = {tenant:String}) AS i ON i.day = d.day
ORDER BY day
