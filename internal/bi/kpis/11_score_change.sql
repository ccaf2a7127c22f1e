-- Engagement score: why it changed
-- The change over seven days, by component: what it lost by getting older, what was done since, and other bars; the three are the change.
SELECT tenant, partner_id, as_of, component, points, points - points_before AS change, decay_loss, new_activity, bar_change
FROM bi.explanation
WHERE comparable = 1
ORDER BY tenant, partner_id, change, component
