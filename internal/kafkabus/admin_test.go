package kafkabus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"partnerpulse/internal/kafkabus"
)

func topicConfigs(t *testing.T, cfg kafkabus.Config) map[string]map[string]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range kafkabus.Topics(0) {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic.Name
		request.Resources = append(request.Resources, resource)
	}
	response, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for _, resource := range response.Resources {
		out[resource.ResourceName] = map[string]string{}
		for _, c := range resource.Configs {
			if c.Value != nil {
				out[resource.ResourceName][c.Name] = *c.Value
			}
		}
	}
	return out
}

// Several processes start at once and all make sure of the topics.
func TestEnsureTopicsByManyAtOnce(t *testing.T) {
	_, cfg := broker(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := kafkabus.EnsureTopics(ctx, cfg, kafkabus.Topics(0)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	configs := topicConfigs(t, cfg)
	want := map[string][2]string{
		kafkabus.TopicEvents:     {"delete", "604800000"},
		kafkabus.TopicRejects:    {"delete", "2592000000"},
		kafkabus.TopicScores:     {"compact", "-1"},
		kafkabus.TopicAlertState: {"compact", "-1"},
	}
	for topic, w := range want {
		if got := configs[topic]; got["cleanup.policy"] != w[0] || got["retention.ms"] != w[1] {
			t.Errorf("%s: cleanup.policy %s, retention.ms %s, want %v", topic, got["cleanup.policy"], got["retention.ms"], w)
		}
	}
	if len(configs) != 9 { // eight with messages, one that only divides the tenants
		t.Errorf("%d topics, want 9", len(configs))
	}
}

func TestEnsureTopicsLeavesExistingOnesAlone(t *testing.T) {
	_, cfg := broker(t, 5)
	spec := []kafkabus.TopicSpec{{Name: testTopic, Partitions: 9}}
	if err := kafkabus.EnsureTopics(t.Context(), cfg, spec); err != nil {
		t.Fatal(err)
	}
	produce(t, producer(t, cfg), 0, 200)
	for _, r := range readAll(t, cfg, testTopic) {
		if r.Partition >= 5 {
			t.Fatalf("partition %d exists: the count was changed", r.Partition)
		}
	}
}

func TestEnsureTopicsReportsRefusal(t *testing.T) {
	_, cfg := broker(t, 1)
	cfg.ReplicationFactor = 3
	if err := kafkabus.EnsureTopics(t.Context(), cfg, kafkabus.Topics(0)); err == nil {
		t.Error("three replicas on one broker were accepted")
	}
}

func TestPing(t *testing.T) {
	_, cfg := broker(t, 1)
	if err := kafkabus.Ping(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	cfg.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := kafkabus.Ping(ctx, cfg); err == nil {
		t.Error("nobody answered, yet no error")
	}
}

func TestSASL(t *testing.T) {
	for mechanism, kafkas := range map[string]string{
		"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			_, cfg := broker(t, 1, kfake.EnableSASL(), kfake.Superuser(kafkas, "user", "secret"))
			cfg.SASL = kafkabus.SASLConfig{Mechanism: mechanism, Username: "user", Password: "secret"}
			produce(t, producer(t, cfg), 0, 3)
			if n := len(readAll(t, cfg, testTopic)); n != 3 {
				t.Errorf("read %d records, want 3", n)
			}
			cfg.SASL.Password = "wrong"
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := kafkabus.Ping(ctx, cfg); err == nil {
				t.Error("a wrong password was accepted")
			}
		})
	}
}

// certificate makes a self-signed certificate for 127.0.0.1 and its files.
func certificate(t *testing.T) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, content := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return cert, certFile, keyFile
}

func TestTLS(t *testing.T) {
	cert, certFile, keyFile := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	_, cfg := broker(t, 1, kfake.TLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	good := cfg
	good.TLS = kafkabus.TLSConfig{Enabled: true, CAFile: certFile, CertFile: certFile, KeyFile: keyFile}
	produce(t, producer(t, good), 0, 3)
	if n := len(readAll(t, good, testTopic)); n != 3 {
		t.Errorf("read %d records, want 3", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stranger := cfg
	stranger.TLS = kafkabus.TLSConfig{Enabled: true, CertFile: certFile, KeyFile: keyFile}
	if err := kafkabus.Ping(ctx, stranger); err == nil {
		t.Error("an unknown authority was trusted")
	}
	stranger.TLS.InsecureSkipVerify = true
	if err := kafkabus.Ping(ctx, stranger); err != nil {
		t.Errorf("insecure_skip_verify: %v", err)
	}
}

func TestWrongConfigurationIsRefused(t *testing.T) {
	ok := []string{"127.0.0.1:9092"}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]kafkabus.Config{
		"no brokers":         {},
		"no such CA":         {Brokers: ok, TLS: kafkabus.TLSConfig{Enabled: true, CAFile: "missing.pem"}},
		"empty CA":           {Brokers: ok, TLS: kafkabus.TLSConfig{Enabled: true, CAFile: empty}},
		"cert without key":   {Brokers: ok, TLS: kafkabus.TLSConfig{Enabled: true, CertFile: empty}},
		"broken certificate": {Brokers: ok, TLS: kafkabus.TLSConfig{Enabled: true, CertFile: empty, KeyFile: empty}},
		"mechanism":          {Brokers: ok, SASL: kafkabus.SASLConfig{Mechanism: "gssapi"}},
		"user only":          {Brokers: ok, SASL: kafkabus.SASLConfig{Username: "u"}},
	} {
		if err := cfg.Validate(); !errors.Is(err, kafkabus.ErrConfig) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if err := (kafkabus.Config{Brokers: ok}).Validate(); err != nil {
		t.Error(err)
	}
}
