package cloud_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// benchWorld is a world for a benchmark, with one route table and a principal that may read it.
func benchWorld(b *testing.B) (w *world, group string) {
	b.Helper()
	w = newWorld(b)
	group = w.group(w.platform, "rg1")
	w.operator.put(group+"/providers/Microsoft.Network/routeTables/r", obj{"location": "westeurope"}).ok(201)
	return w, group
}

// BenchmarkGet is an enforced read through the whole door: token, principal, decision, document.
func BenchmarkGet(b *testing.B) {
	w, group := benchWorld(b)
	path := "https://" + host + group + "/providers/Microsoft.Network/routeTables/r?api-version=2023-09-01"
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", "Bearer "+w.operator.token)
			rec := httptest.NewRecorder()
			if w.handler.ServeHTTP(rec, r); rec.Code != http.StatusOK {
				b.Fatal(rec.Body.String())
			}
		}
	})
}

// BenchmarkPut is a durable, enforced and logged write, from one client and from 32.
func BenchmarkPut(b *testing.B) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			w, group := benchWorld(b)
			var n atomic.Int64
			b.SetParallelism(clients) // goroutines a core
			if clients == 1 {
				for b.Loop() {
					benchPut(b, w, group, n.Add(1))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchPut(b, w, group, n.Add(1))
				}
			})
		})
	}
}

func benchPut(b *testing.B, w *world, group string, n int64) {
	path := fmt.Sprintf("https://%s%s/providers/Microsoft.Network/routeTables/r%d?api-version=2023-09-01", host, group, n)
	r := httptest.NewRequest("PUT", path, strings.NewReader(`{"location":"westeurope"}`))
	r.Header.Set("Authorization", "Bearer "+w.operator.token)
	rec := httptest.NewRecorder()
	if w.handler.ServeHTTP(rec, r); rec.Code != http.StatusCreated {
		b.Fatal(rec.Body.String())
	}
}
