-- Writes what differs between the rows as they should be (the statement of the
-- rollup) and as they are: new and changed rows, and those that are gone marked
-- deleted. A row that is as it was keeps its ver; one from before this worker's epoch
-- gets a new one, so that nothing that a stopped worker still writes can replace it.
-- Rows are compared by grouping them by all their columns: aggregates of tuples take
-- many times as long.
INSERT INTO {{.Table}} (tenant, {{.Keys}}, {{.Fields}}, is_deleted, ver)
WITH
    merged AS
    (
        SELECT {{.Keys}}, {{.Fields}}, 1 AS fresh, toUInt64(0) AS stored_ver
        FROM
        (
{{.Select}}
        )
        UNION ALL
        SELECT {{.Keys}}, {{.Fields}}, 0, ver
        FROM {{.Table}} FINAL
        WHERE tenant = {tenant:String} AND {{.Scope}}
    ),
    -- What is only in one of the two.
    differing AS
    (
        SELECT {{.Keys}}, {{.Fields}}, max(fresh) AS wanted
        FROM merged
        GROUP BY {{.Keys}}, {{.Fields}}
        HAVING min(fresh) = max(fresh) OR max(stored_ver) < {epoch:UInt64}
    )
SELECT {tenant:String}, {{.Keys}}, {{.Fields}}, toUInt8(wanted = 0), {batch:UInt64}
FROM differing
ORDER BY wanted DESC
LIMIT 1 BY {{.Keys}}
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
