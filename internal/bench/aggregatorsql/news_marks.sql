-- The marks of these events.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT
    toStartOfHour(toDateTime({at:String}, 'UTC')), {tenant:String}, concat('p-', leftPad(toString(number * 100 + {round:UInt64}), 8, '0')),
    toDate(toDateTime({at:String}, 'UTC')), 1, 0
FROM numbers({n:UInt64})
