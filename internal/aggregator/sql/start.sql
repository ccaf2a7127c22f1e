-- The newest batch and the tenants that have data.
SELECT tenant, max(ver) AS newest FROM partner_daily GROUP BY tenant ORDER BY tenant
