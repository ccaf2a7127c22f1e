-- Writes what differs between the rows as they should be (the statement of the
-- rollup) and as they are: new and changed rows, and those that are gone marked
-- deleted. A row that is as it was keeps its ver; one from before this worker's epoch
-- gets a new one, so that nothing that a stopped worker still writes can replace it.
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
    )
SELECT
    {tenant:String}, {{.Keys}},
    untuple(argMax(tuple({{.Fields}}), fresh)),
    toUInt8(max(fresh) = 0), {batch:UInt64}
FROM merged
GROUP BY {{.Keys}}
HAVING max(fresh) = 0 OR min(fresh) = 1
    OR toString(argMax(tuple({{.Fields}}), fresh)) != toString(argMin(tuple({{.Fields}}), fresh))
    OR max(stored_ver) < {epoch:UInt64}
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
