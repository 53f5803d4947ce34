package cloud_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aksid/internal/cloud/store"
)

// The ratios compare the local Azure with the least that its work takes, in turns in one run: so they hold on a busy machine.
// Aims: enforced GETs at 0.7 of the rate of a bare TLS handler, durable PUTs at 0.7 of the raw store's from one client and
// at 0.5 from 32.

// timed makes n calls from some clients at once and returns how long that took.
func timed(clients, n int, call func(i int64)) time.Duration {
	var next atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range clients {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				call(i)
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// compare takes turns and reports the rate of ours as a part of the bare one's.
func compare(b *testing.B, clients, turn int, bare, ours func(i int64)) {
	bare(0)
	ours(0)
	var bareTime, ourTime time.Duration
	var done int
	for b.Loop() {
		bareTime += timed(clients, turn, bare)
		ourTime += timed(clients, turn, ours)
		done += turn
	}
	b.ReportMetric(float64(bareTime)/float64(ourTime), "of-bare")
	b.ReportMetric(float64(done)/ourTime.Seconds(), "calls/s")
	b.ReportMetric(float64(done)/bareTime.Seconds(), "bare/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGetRatio reads over TLS with a token, a decision and a document; the bare handler answers the same bytes.
func BenchmarkGetRatio(b *testing.B) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			w, group := benchWorld(b)
			path := group + "/providers/Microsoft.Network/routeTables/r?api-version=2023-09-01"
			body := []byte(w.operator.get(path).ok(200).raw)
			bare := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = rw.Write(body)
			})
			compare(b, clients, 400, getter(b, w, clients, bare, path), getter(b, w, clients, w.handler, path))
		})
	}
}

// getter gets a path from a handler that listens with TLS.
func getter(b *testing.B, w *world, clients int, h http.Handler, path string) func(int64) {
	srv := httptest.NewUnstartedServer(h)
	srv.TLS, srv.Config.ErrorLog = w.cloud.TLS().Clone(), log.New(io.Discard, "", 0)
	srv.StartTLS()
	b.Cleanup(srv.Close)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: clients}
	b.Cleanup(transport.CloseIdleConnections)
	return func(int64) {
		r, err := http.NewRequest("GET", srv.URL+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Authorization", "Bearer "+w.operator.token)
		answer, err := transport.RoundTrip(r)
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			b.Error(answer.Status, err)
		}
		answer.Body.Close()
	}
}

// BenchmarkPutRatio writes resources. The raw store writes, in a transaction of its own, a document of the same size, or what a
// write of a resource leaves in the store: the resource and its entry in the activity log.
func BenchmarkPutRatio(b *testing.B) {
	for _, clients := range []int{1, 32} {
		for _, docs := range []int{1, 2} {
			b.Run(fmt.Sprintf("clients=%d/documents=%d", clients, docs), func(b *testing.B) {
				w, group := benchWorld(b)
				var n atomic.Int64
				compare(b, clients, 20*clients, putter(b, docs, group, &n), func(int64) { benchPut(b, w, group, n.Add(1)) })
			})
		}
	}
}

// putter writes some documents to a store of its own.
func putter(b *testing.B, docs int, group string, n *atomic.Int64) func(int64) {
	raw, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "raw.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { raw.Close() })
	sizes := []int{1500, 2500}
	return func(int64) {
		key := fmt.Sprint(group, "/providers/microsoft.network/routetables/r", n.Add(1))
		if err := raw.Update(context.Background(), func(tx store.Tx) error {
			for _, size := range sizes[1:docs] {
				if err := tx.Add(store.Doc{Kind: "activity", Key: key, Body: make([]byte, size)}); err != nil {
					return err
				}
			}
			return tx.Put(store.Doc{Kind: "resource", Key: key, Refs: []string{"type", key}, Body: make([]byte, sizes[0])})
		}); err != nil {
			b.Error(err)
		}
	}
}
