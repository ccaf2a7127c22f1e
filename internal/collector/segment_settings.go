package collector

import (
	"net/http"
	"net/url"
	"strings"

	"partnerpulse/internal/keys"
)

// segmentSettings tells Segment's browser SDK to send to us and nowhere else.
func (c *Collector) segmentSettings(w http.ResponseWriter, r *http.Request) {
	c.settings(w, r, "segment_settings", r.PathValue("key"), c.settingsOf)
}

// rudderConfig tells RudderStack's browser SDK what it asks its control plane for: the
// source exists, and there is nobody else to send to.
func (c *Collector) rudderConfig(w http.ResponseWriter, r *http.Request) {
	writeKey := r.URL.Query().Get("writeKey")
	if user, _, ok := r.BasicAuth(); ok {
		writeKey = user
	}
	c.settings(w, r, "rudder_config", writeKey, func(_ *http.Request, key *keys.Key) map[string]any {
		off := map[string]any{"enabled": false}
		return map[string]any{
			"source": map[string]any{
				"id": key.ID, "name": key.Portal, "writeKey": key.Value, "enabled": true, "workspaceId": key.Tenant,
				"config":       map[string]any{"statsCollection": map[string]any{"errors": off, "metrics": off}},
				"destinations": []any{}, "dataplanes": map[string]any{},
			},
		}
	})
}

// settings answers what a browser SDK asks first, for a browser's key.
func (c *Collector) settings(w http.ResponseWriter, r *http.Request, name, writeKey string, of func(*http.Request, *keys.Key) map[string]any) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		c.preflight(w, r, name)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "fetch the settings with GET", 0})
		return
	}
	// A key in the address must be a browser's, as elsewhere.
	asked := r.Clone(r.Context())
	asked.Header.Del("Authorization")
	asked.URL.RawQuery = url.Values{"key": {writeKey}}.Encode()
	key, fail := c.authenticate(w, asked)
	if fail != nil {
		c.refuse(w, name, fail)
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=300")
	c.writeJSON(w, http.StatusOK, of(r, key))
	c.metrics.requests.WithLabelValues(name, "200", "").Inc()
}

// settingsOf gives the settings for Segment's SDK.
func (c *Collector) settingsOf(r *http.Request, key *keys.Key) map[string]any {
	protocol, host := c.publicAddress(r)
	return map[string]any{
		"integrations": map[string]any{"Segment.io": map[string]any{
			"apiKey": key.Value, "apiHost": host + "/v1", "protocol": protocol,
			"addBundledMetadata": true, "unbundledIntegrations": []string{}, "maybeBundledConfigIds": map[string]any{},
			"versionSettings": map[string]any{"version": "4.4.7", "componentTypes": []string{"browser"}},
		}},
		"plan": map[string]any{}, "edgeFunction": map[string]any{}, "enabledMiddleware": map[string]any{}, "middlewareSettings": map[string]any{},
		"metrics":              map[string]any{"sampleRate": 0, "host": host + "/v1", "protocol": protocol},
		"analyticsNextEnabled": true, "legacyVideoPluginsEnabled": false, "remotePlugins": []any{},
	}
}

// publicAddress is where browsers reach us: as configured, else as this one did.
func (c *Collector) publicAddress(r *http.Request) (protocol, host string) {
	if u, err := url.Parse(c.cfg.Segment.PublicURL); err == nil && u.Host != "" {
		return u.Scheme, u.Host + strings.TrimSuffix(u.Path, "/")
	}
	protocol = "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		protocol = "https"
	}
	return protocol, r.Host
}
