-- An event for each of some partners.
INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, user_id, deal_id, data)
SELECT
    {tenant:String}, concat('p-', leftPad(toString(number * 100 + {round:UInt64}), 8, '0')), toDate(toDateTime({at:String}, 'UTC')), concat('news', toString({round:UInt64}), '-', toString(number)),
    'deal.won', toDateTime64({at:String}, 3, 'UTC'), toDateTime64({at:String}, 3, 'UTC'), 'u1', concat('d', toString({round:UInt64}), '-', toString(number)), '{}'
FROM numbers({n:UInt64})
