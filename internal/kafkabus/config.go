package kafkabus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"partnerpulse/internal/config"
)

// Config is how to reach the brokers.
type Config struct {
	Brokers  config.List `yaml:"brokers"`   // host:port, at least one
	ClientID string      `yaml:"client_id"` // shown in the brokers' logs and quotas
	// ReplicationFactor of topics that EnsureTopics creates; 0 takes the broker's default.
	// From 3 on, min.insync.replicas is set to 2, so that an ack survives the loss of a broker.
	ReplicationFactor int           `yaml:"replication_factor"`
	DialTimeout       time.Duration `yaml:"dial_timeout"` // connect, TLS and SASL together; 0 is 5 s
	TLS               TLSConfig     `yaml:"tls"`
	SASL              SASLConfig    `yaml:"sasl"`
}

// TLSConfig turns encryption on and says whom to trust.
type TLSConfig struct {
	Enabled            bool   `yaml:"enabled"`
	CAFile             string `yaml:"ca_file"`              // PEM; empty trusts the system's roots
	CertFile           string `yaml:"cert_file"`            // PEM client certificate, with KeyFile
	KeyFile            string `yaml:"key_file"`             // PEM private key of CertFile
	ServerName         string `yaml:"server_name"`          // expected name if not the address's host
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // tests only: accept any certificate
}

// SASLConfig authenticates the client; an empty Mechanism means none.
type SASLConfig struct {
	Mechanism string        `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512
	Username  string        `yaml:"username"`
	Password  config.Secret `yaml:"password"`
}

const dialTimeoutDefault = 5 * time.Second

// ErrConfig is wrapped by every error about a wrong configuration.
var ErrConfig = errors.New("kafka configuration")

// Validate checks everything that can be checked without a broker, reading the
// TLS files. Errors wrap ErrConfig.
func (c Config) Validate() error {
	_, _, err := c.security()
	return err
}

// security builds the TLS and SASL parts; both are nil when off.
func (c Config) security() (*tls.Config, sasl.Mechanism, error) {
	if len(c.Brokers) == 0 {
		return nil, nil, fmt.Errorf("%w: no brokers", ErrConfig)
	}
	tlsConfig, err := c.TLS.build()
	if err != nil {
		return nil, nil, err
	}
	mechanism, err := c.SASL.build()
	return tlsConfig, mechanism, err
}

func (c Config) dialTimeout() time.Duration {
	if c.DialTimeout > 0 {
		return c.DialTimeout
	}
	return dialTimeoutDefault
}

func (t TLSConfig) build() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	out := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // off by default, for tests
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: reading tls.ca_file: %w", ErrConfig, err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: tls.ca_file %s holds no PEM certificate", ErrConfig, t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, fmt.Errorf("%w: tls.cert_file and tls.key_file belong together", ErrConfig)
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: loading the TLS client certificate: %w", ErrConfig, err)
		}
		out.Certificates = []tls.Certificate{cert}
	}
	return out, nil
}

func (s SASLConfig) build() (sasl.Mechanism, error) {
	var algorithm scram.Algorithm
	switch s.Mechanism {
	case "":
		if s.Username != "" {
			return nil, fmt.Errorf("%w: sasl.username without sasl.mechanism (plain, scram-sha-256, scram-sha-512)", ErrConfig)
		}
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password.Reveal()}, nil
	case "scram-sha-256":
		algorithm = scram.SHA256
	case "scram-sha-512":
		algorithm = scram.SHA512
	default:
		return nil, fmt.Errorf("%w: sasl.mechanism %q is not plain, scram-sha-256 or scram-sha-512", ErrConfig, s.Mechanism)
	}
	mechanism, err := scram.Mechanism(algorithm, s.Username, s.Password.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: sasl: %w", ErrConfig, err)
	}
	return mechanism, nil
}

// transport is the connection pool of the producer and the admin client.
func (c Config) transport() (*kafka.Transport, error) {
	tlsConfig, mechanism, err := c.security()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		ClientID: c.ClientID, DialTimeout: c.dialTimeout(), TLS: tlsConfig, SASL: mechanism,
	}, nil
}

// dialer makes the consumer's connections.
func (c Config) dialer() (*kafka.Dialer, error) {
	tlsConfig, mechanism, err := c.security()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{
		ClientID: c.ClientID, Timeout: c.dialTimeout(), TLS: tlsConfig, SASLMechanism: mechanism, DualStack: true,
	}, nil
}
