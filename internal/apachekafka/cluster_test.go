package apachekafka_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/apachekafka"
)

// childVariable makes the test below the child of itself.
const childVariable = "APACHEKAFKA_TEST_CHILD"

// TestBrokersEndWithAKilledProcess: kill -9 of a test leaves no broker behind.
func TestBrokersEndWithAKilledProcess(t *testing.T) {
	if os.Getenv(childVariable) == "1" {
		c := apachekafka.Start(t, 1)
		_, _ = os.Stderr.WriteString(c.Brokers()[0] + "\n")
		time.Sleep(time.Minute) // the parent kills this process
		t.Fatal("not killed")
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends the children of a killed process")
	}
	apachekafka.Need(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokersEndWithAKilledProcess$", "-test.timeout=3m")
	child.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	says, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(says)
	addr := ""
	for addr == "" && lines.Scan() {
		if _, _, err := net.SplitHostPort(lines.Text()); err == nil {
			addr = lines.Text()
		}
	}
	if addr == "" {
		t.Fatalf("the child started no broker: %v", child.Wait())
	}
	if !answers(addr) {
		t.Error("the broker is not reachable while its parent lives")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	for limit := time.Now().Add(30 * time.Second); answers(addr); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the broker outlives its parent")
		}
	}
}

// answers tells whether something listens at addr.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// TestAKilledBrokerComesBackWithItsData writes, kills, restarts and reads.
func TestAKilledBrokerComesBackWithItsData(t *testing.T) {
	c := apachekafka.Start(t, 1)
	addr := c.Brokers()[0]
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Timeout: 20 * time.Second, Transport: transport}
	made, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "kept", NumPartitions: 1, ReplicationFactor: -1}}})
	if err != nil || made.Errors["kept"] != nil {
		t.Fatal(err, made)
	}
	writer := &kafka.Writer{Addr: kafka.TCP(addr), Topic: "kept", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, Transport: transport}
	defer writer.Close()
	if err := writer.WriteMessages(t.Context(), kafka.Message{Value: []byte("one")}, kafka.Message{Value: []byte("two")}); err != nil {
		t.Fatal(err)
	}
	c.Kill(0)
	if answers(addr) {
		t.Fatal("the broker is still there after Kill")
	}
	c.Restart(0)
	transport.CloseIdleConnections() // those to the killed process
	ends, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"kept": {kafka.LastOffsetOf(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	if end := ends.Topics["kept"][0].LastOffset; end != 2 {
		t.Errorf("%d records after the kill, 2 were acknowledged", end)
	}
	c.Stop()
	if answers(addr) {
		t.Error("the broker is still there after Stop")
	}
}
