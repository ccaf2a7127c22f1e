-- Two events a day for some partners over the last 30 days.
INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, user_id, view_id, content_id, data)
SELECT
    {tenant:String}, concat('p-', leftPad(toString({from:UInt64} + intDiv(number, 60)), 8, '0')), toDate(at),
    concat('e', toString({from:UInt64} * 60 + number)),
    if(number % 2 = 0, 'portal.login', 'content.viewed'), at, at, 'u1',
    if(number % 2 = 0, '', concat('v', toString(number))), if(number % 2 = 0, '', concat('c', toString(number % 50))), '{}'
FROM
(
    SELECT number, toDateTime64({today:Date} - 29 + intDiv(number % 60, 2), 3, 'UTC') + 28800 + 60 * (number % 2) AS at
    FROM numbers({n:UInt64} * 60)
)
SETTINGS max_partitions_per_insert_block = 0
