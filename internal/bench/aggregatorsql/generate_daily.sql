-- Inputs of some partners for each day up to today.
INSERT INTO partner_daily
(
    tenant, partner_id, day, sessions, active_users, content_views, training_completed, deals_registered,
    nps_count, nps_promoters, segment, events, v_activity, v_content, v_training, v_pipeline, ver
)
SELECT
    {tenant:String},
    concat('p-', leftPad(toString({from:UInt64} + intDiv(number, {days:UInt64})), 8, '0')) AS partner,
    {today:Date} - ({days:UInt64} - 1) + number % {days:UInt64} AS local,
    1 + h % 3, 1 + h % 3, h % 5, bitShiftRight(h, 8) % 30 = 0, bitShiftRight(h, 16) % 20 = 0, bitShiftRight(h, 24) % 90 = 0, bitShiftRight(h, 32) % 180 = 0,
    if(number % {days:UInt64} = 0, ['gold', 'silver', 'bronze'][1 + cityHash64(partner) % 3], ''),
    10, 1000000 * (1 + h % 3), bitShiftRight(h, 40) % 3000000, 1000000 * (bitShiftRight(h, 8) % 30 = 0), 3000000 * (bitShiftRight(h, 16) % 20 = 0), 1
FROM
(
    SELECT number, cityHash64({tenant:String}, {from:UInt64}, number) AS h
    FROM numbers({n:UInt64} * {days:UInt64})
)
SETTINGS max_partitions_per_insert_block = 0
