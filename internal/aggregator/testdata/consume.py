"""Reads topics from their beginning to their end with confluent-kafka (librdkafka) and
prints each record as one line of JSON: topic, key, headers, value."""
import json
import os
import sys
import time
import uuid

from confluent_kafka import Consumer, KafkaError, TopicPartition

consumer = Consumer({
    "bootstrap.servers": os.environ["BROKER"],
    "group.id": "test-" + uuid.uuid4().hex,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
})
topics = os.environ["TOPICS"].split(",")
metadata = consumer.list_topics(timeout=20)
parts = [TopicPartition(t, p, 0) for t in topics for p in metadata.topics[t].partitions]
consumer.assign(parts)
left, deadline = len(parts), time.time() + 45
while left and time.time() < deadline:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        left -= 1
        continue
    print(json.dumps({
        "topic": message.topic(),
        "key": message.key().decode(),
        "headers": [h[0] for h in message.headers() or []],
        "value": json.loads(message.value()),
    }))
consumer.close()
if left:
    sys.exit("%d partitions were not read to their end" % left)
