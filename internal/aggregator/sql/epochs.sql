-- The last epoch, and how many claims of others overlap the given one. Without epochs,
-- the newest batch.
SELECT
    greatest((SELECT max(base) FROM aggregator_epochs), (SELECT max(ver) FROM partner_daily), (SELECT max(ver) FROM partner_progress)) AS newest,
    (
        SELECT count()
        FROM aggregator_epochs
        WHERE worker != {worker:String} AND base + {stride:UInt64} > {base:UInt64} AND base < {base:UInt64} + {stride:UInt64}
    ) AS others
