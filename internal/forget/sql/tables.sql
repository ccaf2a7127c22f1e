-- Every table that holds rows of tenants, with the columns by which a user or a
-- partner can be told. The tables of one batch of the aggregator are dropped by it.
SELECT c.table AS name, groupArray(c.name) AS columns, groupArray(c.type) AS types
FROM system.columns AS c
INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase()
  AND t.engine LIKE '%MergeTree'
  AND NOT startsWith(c.table, 'agg_')
  AND NOT startsWith(c.table, '.inner')
  AND c.table NOT IN ('events', 'rejects', 'xapi_statements', 'dirty_days', 'forgotten', 'forget_pending', 'schema_migrations')
GROUP BY c.table
HAVING has(columns, 'tenant')
ORDER BY name
