-- Of two messages that tell the same, one is not sent.
ALTER TABLE notifier_deliveries
    COMMENT COLUMN status 'queued, delivered, dead (attempts used up) or superseded (another message tells it)';
