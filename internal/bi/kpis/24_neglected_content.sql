-- Neglected content, and content that is seen and not read
-- Neglected: at least 30 days old and surely reaching less than 5 % of the partners entitled to it.
SELECT tenant, content_id, title, owner, age_days, partners_reached, partners_entitled, neglected, seen_not_read
FROM bi.content
WHERE neglected = 1 OR seen_not_read = 1
ORDER BY tenant, content_id
