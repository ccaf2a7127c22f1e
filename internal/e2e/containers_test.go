package e2e

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// The images of docker-compose.yml.
const (
	kafkaImage      = "apache/kafka:4.1.0"
	clickhouseImage = "clickhouse/clickhouse-server:26.3"
)

// TestOneEventOnApacheKafkaAndClickHouseServer runs the main job against the real
// servers in containers. It needs a Docker engine: without one it is skipped and
// says so; with REQUIRE_DOCKER=1 that is a failure.
func TestOneEventOnApacheKafkaAndClickHouseServer(t *testing.T) {
	if os.Getenv("REQUIRE_DOCKER") != "1" {
		testcontainers.SkipIfProviderIsNotHealthy(t)
	}
	mainJob(t, "--set", "kafka.brokers="+kafkaContainer(t), "--set", "clickhouse.addr="+clickhouseContainer(t),
		"--set", "clickhouse.username=partnerpulse", "--set", "clickhouse.password=partnerpulse")
}

// kafkaContainer gives host:port of a broker. Clients connect to the address that a
// broker advertises, so the port is chosen before and is the same inside and outside.
func kafkaContainer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c, err := testcontainers.Run(t.Context(), kafkaImage,
		testcontainers.WithExposedPorts(fmt.Sprintf("%d:%d/tcp", port, port)),
		testcontainers.WithEnv(map[string]string{
			"KAFKA_NODE_ID":                                  "1",
			"KAFKA_PROCESS_ROLES":                            "broker,controller",
			"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9093",
			"KAFKA_LISTENERS":                                fmt.Sprintf("PLAINTEXT://:%d,CONTROLLER://:9093", port),
			"KAFKA_ADVERTISED_LISTENERS":                     fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", port),
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
			"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
			"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                "false",
		}),
		testcontainers.WithWaitStrategy(wait.ForLog("Kafka Server started")))
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// clickhouseContainer gives the URL of a server's HTTP interface.
func clickhouseContainer(t *testing.T) string {
	t.Helper()
	c, err := testcontainers.Run(t.Context(), clickhouseImage,
		testcontainers.WithExposedPorts("8123/tcp"),
		testcontainers.WithEnv(map[string]string{"CLICKHOUSE_USER": "partnerpulse", "CLICKHOUSE_PASSWORD": "partnerpulse"}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/ping").WithPort("8123/tcp")))
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.PortEndpoint(t.Context(), "8123/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	return url
}
