-- The local days that dirty UTC days can change. Events of local day x touch the
-- metrics of x and the sessions that start on x-1 (they may run on into x), on x,
-- on x+1 (they may be a part of one that began on x) and on x+2 (a burst that began
-- on x is cut at its midnight): see the rule in internal/session.
INSERT INTO agg_days (batch_id, tenant, partner_id, day)
SELECT DISTINCT
    batch_id,
    tenant,
    partner_id,
    toDate(arrayJoin(range(
        greatest(toInt32(toDate(toDateTime(day, 'UTC'), {tz:String})) - 1, 1),
        toInt32(toDate(toDateTime(day, 'UTC') + 86399, {tz:String})) + 3)))
FROM agg_keys
WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND marked > 0
