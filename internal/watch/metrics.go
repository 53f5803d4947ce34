package watch

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"aksid/internal/finding"
)

// Metrics are what Prometheus is told. The zero pointer counts nothing.
type Metrics struct {
	registry *prometheus.Registry
	notices  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	entries  *prometheus.CounterVec
	failures *prometheus.CounterVec
	success  *prometheus.GaugeVec
	clusters prometheus.Gauge
	findings *prometheus.GaugeVec
	waiting  prometheus.Gauge
	calls    *prometheus.CounterVec
}

// NewMetrics begins to count.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		notices:  counter("aksid_watch_notices_total", "Notices, by kind and severity.", "kind", "severity"),
		refused:  counter("aksid_watch_refused_total", "Operations that Azure refused, by cluster, its identity and the operation.", "cluster", "identity", "operation"),
		entries:  counter("aksid_watch_log_entries_total", "Entries of activity logs that were read, those of the overlap again.", "subscription"),
		failures: counter("aksid_watch_log_failures_total", "Readings of activity logs that failed.", "subscription"),
		success:  gauge("aksid_watch_log_read_timestamp_seconds", "When a subscription's activity log was read the last time.", "subscription"),
		clusters: prometheus.NewGauge(prometheus.GaugeOpts{Name: "aksid_watch_clusters", Help: "Clusters that are watched."}),
		findings: gauge("aksid_watch_findings", "What check finds, warnings and worse.", "cluster", "severity"),
		waiting:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "aksid_watch_webhook_waiting", Help: "Notices that wait for the webhook."}),
		calls:    counter("aksid_watch_webhook_calls_total", "Calls of the webhook.", "result"),
	}
	m.registry.MustRegister(m.notices, m.refused, m.entries, m.failures, m.success, m.clusters, m.findings, m.waiting, m.calls)
	for _, k := range kinds { // so that a rate is there before the first one
		m.notices.WithLabelValues(k.Name, string(k.Severity))
	}
	return m
}

// Handler serves them, in the format that the caller asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *Metrics) told(notices []Notice) {
	if m == nil {
		return
	}
	for _, n := range notices {
		m.notices.WithLabelValues(n.Kind, string(n.Severity)).Inc()
		if n.Kind != "refused" {
			continue
		}
		for _, c := range n.Clusters {
			m.refused.WithLabelValues(c.Name(), n.Identity, string(n.Operation)).Add(float64(len(n.Events)))
		}
	}
}

func (m *Metrics) read(sub string, at time.Time, entries int, err error) {
	if m == nil {
		return
	}
	if err != nil {
		m.failures.WithLabelValues(sub).Inc()
		return
	}
	m.entries.WithLabelValues(sub).Add(float64(entries))
	m.success.WithLabelValues(sub).Set(float64(at.Unix()))
}

func (m *Metrics) look(s *scene) {
	if m == nil {
		return
	}
	m.clusters.Set(float64(len(s.Clusters)))
	m.findings.Reset()
	for _, c := range s.Clusters {
		for _, severity := range []finding.Severity{finding.Error, finding.Warning} {
			n := 0
			for _, f := range c.Findings {
				if f.Severity == severity {
					n++
				}
			}
			m.findings.WithLabelValues(c.ID.Name(), string(severity)).Set(float64(n))
		}
	}
}

func (m *Metrics) queue(n int) {
	if m != nil {
		m.waiting.Set(float64(n))
	}
}

func (m *Metrics) called(err error) {
	if m == nil {
		return
	}
	result := "taken"
	if err != nil {
		result = "failed"
	}
	m.calls.WithLabelValues(result).Inc()
}
