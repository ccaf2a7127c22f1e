-- From which local day on the tenant's content has to be scored again, and up to
-- which batch that says everything. 65535 (2149-06-06) is never.
WITH
    (
        SELECT (max(ver), any(scored_through), any(redo_from), any(included))
        FROM content_progress FINAL
        WHERE tenant = {tenant:String} AND model_version = {ccs:String}
    ) AS progress
SELECT
    toUInt64(greatest(consumed.newest, described.newest, progress.4)) AS included,
    toInt32(consumed.first) AS first,
    toInt32(least(consumed.changed, described.changed,
        if(progress.1 = 0, toDate(0), least(progress.3, if(progress.2 < {today:Date}, progress.2 + 1, toDate(65535)))))) AS changed
FROM
(
    SELECT
        max(ver) AS newest,
        if(count() = 0, {today:Date}, min(day)) AS first,
        if(countIf(ver > progress.4) = 0, toDate(65535), minIf(day, ver > progress.4)) AS changed
    FROM content_daily
    WHERE tenant = {tenant:String}
) AS consumed
CROSS JOIN
(
    -- The local day of an event may be the one before its UTC day.
    SELECT
        max(ver) AS newest,
        if(countIf(ver > progress.4) = 0, toDate(65535), minIf(day, ver > progress.4) - 1) AS changed
    FROM entity_events
    WHERE tenant = {tenant:String} AND kind IN ('content', 'partner', 'user')
) AS described
