// Package apachekafka gives tests a cluster of real Apache Kafka brokers (KRaft
// mode) as processes on the loopback interface, from the jars that
// scripts/kafka/install.sh fetches. No Docker.
//
// Without Java, Maven or the jars the test is skipped, saying what is missing;
// with REQUIRE_SERVICES=1 it fails. All brokers end with the test; on Linux also
// when the test's process is killed.
package apachekafka
