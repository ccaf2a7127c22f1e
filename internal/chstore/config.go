// Package chstore is the only importer of clickhouse-go: it opens ClickHouse,
// applies the migrations, runs statements with server-side parameters, and
// inserts columns in one synchronous INSERT. It never retries by itself: callers
// know what a repetition means.
package chstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"partnerpulse/internal/config"
)

// Config says where ClickHouse is and how to talk to it.
type Config struct {
	// Addr lists servers as URLs: http://host:8123, https://host:8443,
	// clickhouse://host:9000 (native protocol), clickhouses://host:9440 (native
	// with TLS). All must have the same scheme.
	Addr     config.List `yaml:"addr"`
	Database string      `yaml:"database"`
	// BIDatabase holds the views for BI tools. Empty: bi, or, when Database is not the
	// default one, Database with _bi behind.
	BIDatabase string `yaml:"bi_database"`
	// BIPassword, when set, makes the read-only user bi where the server has access
	// control.
	BIPassword config.Secret `yaml:"bi_password"`
	Username   string        `yaml:"username"`
	Password   config.Secret `yaml:"password"`
	// Compression of inserts and results: lz4, zstd, none, or auto, which is none when all
	// addresses are of this machine and lz4 otherwise.
	Compression string `yaml:"compression"`
	// OpenConnectionsMax bounds concurrent statements of this process.
	OpenConnectionsMax int `yaml:"open_connections_max"`
	// DialTimeout bounds connecting, QueryTimeout one statement.
	DialTimeout  time.Duration `yaml:"dial_timeout"`
	QueryTimeout time.Duration `yaml:"query_timeout"`
	TLS          TLSConfig     `yaml:"tls"`
}

// TLSConfig names PEM files for https and clickhouses addresses.
type TLSConfig struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// DefaultConfig talks to a local server over HTTP.
func DefaultConfig() Config {
	return Config{
		Addr: config.List{"http://127.0.0.1:8123"}, Database: defaultDatabase, Username: "default",
		Compression: "auto", OpenConnectionsMax: 8,
		DialTimeout: 10 * time.Second, QueryTimeout: 5 * time.Minute,
	}
}

// defaultDatabase is Config.Database unless it is changed.
const defaultDatabase = "partnerpulse"

// BIName is the name of the database for BI tools.
func (c *Config) BIName() string {
	switch {
	case c.BIDatabase != "":
		return c.BIDatabase
	case c.Database == defaultDatabase:
		return "bi"
	}
	return c.Database + "_bi"
}

// Validate checks what can be checked without a server, reading the TLS files.
func (c Config) Validate() error {
	_, err := c.options()
	return err
}

// options translates c; every mistake is reported at once.
func (c Config) options() (*clickhouse.Options, error) {
	var problems []error
	o := &clickhouse.Options{
		Auth:         clickhouse.Auth{Database: c.Database, Username: c.Username, Password: c.Password.Reveal()},
		DialTimeout:  c.DialTimeout,
		ReadTimeout:  c.QueryTimeout,
		MaxOpenConns: c.OpenConnectionsMax,
		MaxIdleConns: c.OpenConnectionsMax,
	}
	if len(c.Addr) == 0 {
		problems = append(problems, errors.New("clickhouse.addr is empty: give at least one URL such as http://127.0.0.1:8123"))
	}
	secure := false
	for i, a := range c.Addr {
		protocol, withTLS, host, err := parseAddr(a)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if i > 0 && (protocol != o.Protocol || withTLS != secure) {
			problems = append(problems, errors.New("clickhouse.addr mixes schemes: all addresses must have the same"))
		}
		o.Protocol, secure = protocol, withTLS
		o.Addr = append(o.Addr, host)
	}
	switch c.compression() {
	case "lz4":
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	case "zstd":
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionZSTD}
	case "none", "":
	default:
		problems = append(problems, fmt.Errorf("clickhouse.compression is %q: use auto, lz4, zstd or none", c.Compression))
	}
	if secure {
		t, err := c.TLS.load()
		problems = append(problems, err)
		o.TLS = t
	}
	return o, errors.Join(problems...)
}

// compression is Compression with auto decided. Addresses that cannot be read are told of
// elsewhere.
func (c *Config) compression() string {
	if c.Compression != "auto" {
		return c.Compression
	}
	for _, a := range c.Addr {
		_, _, host, err := parseAddr(a)
		if err != nil || !isLoopback(host) {
			return "lz4"
		}
	}
	return "none"
}

// isLoopback tells whether host:port is on this machine whatever a resolver says.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func parseAddr(addr string) (p clickhouse.Protocol, secure bool, host string, err error) {
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" {
		return 0, false, "", fmt.Errorf("clickhouse.addr %q is not a URL such as http://127.0.0.1:8123", addr)
	}
	switch u.Scheme {
	case "http":
		return clickhouse.HTTP, false, u.Host, nil
	case "https":
		return clickhouse.HTTP, true, u.Host, nil
	case "clickhouse":
		return clickhouse.Native, false, u.Host, nil
	case "clickhouses":
		return clickhouse.Native, true, u.Host, nil
	}
	return 0, false, "", fmt.Errorf("clickhouse.addr %q: the scheme must be http, https, clickhouse or clickhouses", addr)
}

func (t TLSConfig) load() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipVerify} //nolint:gosec // an explicit choice of the operator
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading clickhouse.tls.ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("clickhouse.tls.ca_file %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("loading clickhouse.tls.cert_file: %w", err)
		}
		out.Certificates = []tls.Certificate{cert}
	}
	return out, nil
}
