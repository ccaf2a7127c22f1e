-- Content: entry source mix
-- Where the views of each content began, last 90 days.
SELECT
    tenant, content_id, sum(from_search) AS search, sum(from_browse) AS browse, sum(from_email) AS email, sum(from_link) AS link,
    sum(from_playbook) AS playbook, sum(from_unknown) AS unknown
FROM bi.content_daily
WHERE day > today() - 90 AND day <= today()
GROUP BY tenant, content_id
HAVING sum(views) > 0
ORDER BY tenant, content_id
