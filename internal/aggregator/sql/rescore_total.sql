-- How many partners of a tenant the aggregator knows, and after each so many, in order, one
-- of them: where a page may end. Those that it does not know yet make a page fuller.
SELECT toUInt64(count()) AS partners, groupArrayIf(partner_id, number % {page:UInt64} = 0 AND partner_id > {after:String}) AS ends
FROM
(
    SELECT partner_id, rowNumberInAllBlocks() + 1 AS number
    FROM (SELECT DISTINCT partner_id FROM partner_progress WHERE tenant = {tenant:String} ORDER BY partner_id)
)
