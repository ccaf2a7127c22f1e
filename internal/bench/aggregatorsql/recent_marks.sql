-- Marks of the last days of the partners that have news in a round.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT
    toStartOfHour(toDateTime({at:String}, 'UTC')), {tenant:String},
    concat('p-', leftPad(toString(intDiv(number, 5) * 100 + {round:UInt64}), 8, '0')), {today:Date} - number % 5, 1, 0
FROM numbers({n:UInt64} * 5)
