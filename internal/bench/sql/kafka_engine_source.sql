-- What ClickHouse's own Kafka engine reads: the attributes of the CloudEvents on the
-- topic as columns, and data as the text that it is. Two consumers, one for each core,
-- each with a thread and with blocks as large as the role's batches, however long they take.
CREATE TABLE bench_queue
(
    id          String,
    type        String,
    subject     String,
    time        DateTime64(3, 'UTC'),
    tenant      String,
    portal      String,
    userid      String,
    anonymousid String,
    sessionid   String,
    internal    Bool,
    receivedat  DateTime64(3, 'UTC'),
    via         String,
    ip          String,
    keyid       String,
    url         String,
    referrer    String,
    title       String,
    useragent   String,
    locale      String,
    timezone    String,
    screen      String,
    utmsource   String,
    utmmedium   String,
    utmcampaign String,
    utmterm     String,
    utmcontent  String,
    data        String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = '{{broker}}',
    kafka_topic_list = '{{topic}}',
    kafka_group_name = '{{group}}',
    kafka_format = 'JSONEachRow',
    kafka_num_consumers = 2,
    kafka_thread_per_consumer = 1,
    kafka_max_block_size = {{block_rows}},
    kafka_poll_max_batch_size = {{block_rows}},
    kafka_flush_interval_ms = 60000,
    input_format_json_read_objects_as_strings = 1,
    input_format_skip_unknown_fields = 1,
    date_time_input_format = 'best_effort'
