-- Each time an aggregator is given shards, it begins an epoch: its batches are numbered
-- from base on, and every later epoch begins 2^32 or more after it. So whatever a
-- worker writes that was stopped and goes on after others took over is older than
-- what they write, whatever the clocks say.
CREATE TABLE IF NOT EXISTS aggregator_epochs
(
    base     UInt64 COMMENT 'The batches of the epoch have larger numbers; about Unix nanoseconds of its beginning',
    worker   String COMMENT 'Random name of the worker',
    began_at DateTime64(3, 'UTC') COMMENT 'When it began, by the worker''s clock'
)
ENGINE = MergeTree
ORDER BY base
COMMENT 'Epochs of the aggregators';
