-- ClickHouse keeps statistics of every column by default (auto_statistics_types, from 26.3
-- on), for choosing the order of joins and conditions. Our statements read by key and join
-- small tables; on tables of up to ninety columns the statistics cost more at each insert
-- and merge than they can save.
ALTER TABLE events         MODIFY SETTING auto_statistics_types = '';
ALTER TABLE sessions       MODIFY SETTING auto_statistics_types = '';
ALTER TABLE partner_daily  MODIFY SETTING auto_statistics_types = '';
ALTER TABLE user_daily     MODIFY SETTING auto_statistics_types = '';
ALTER TABLE content_daily  MODIFY SETTING auto_statistics_types = '';
ALTER TABLE search_daily   MODIFY SETTING auto_statistics_types = '';
ALTER TABLE entity_events  MODIFY SETTING auto_statistics_types = '';
ALTER TABLE partner_scores MODIFY SETTING auto_statistics_types = '';
ALTER TABLE dirty_days     MODIFY SETTING auto_statistics_types = '';
ALTER TABLE agg_keys       MODIFY SETTING auto_statistics_types = '';
ALTER TABLE agg_days       MODIFY SETTING auto_statistics_types = '';
ALTER TABLE agg_events     MODIFY SETTING auto_statistics_types = '';
ALTER TABLE agg_partners   MODIFY SETTING auto_statistics_types = '';
ALTER TABLE agg_consumed   MODIFY SETTING auto_statistics_types = '';
