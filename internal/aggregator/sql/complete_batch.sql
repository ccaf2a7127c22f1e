-- The last batch of the aggregator that is complete; one that is under way is later.
SELECT max(ver) AS complete FROM partner_progress WHERE tenant = {tenant:String}
