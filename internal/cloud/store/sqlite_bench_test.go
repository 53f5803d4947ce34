package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"aksid/internal/cloud/store"
)

// A resource as ARM keeps it: some 1.5 kB, two references, a key of 150 bytes.
func benchDoc(i int) store.Doc {
	key := fmt.Sprintf("/subscriptions/6f1c5a0e-0000-4000-8000-000000000001/resourcegroups/rg-%03d/providers/microsoft.network/virtualnetworks/vnet-%06d", i%100, i)
	return store.Doc{Kind: "resource", Key: key, Refs: []string{key + "/a", fmt.Sprintf("shared-%d", i%50)}, Body: make([]byte, 1500)}
}

func openBench(b *testing.B, docs int) store.Store {
	s, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "bench.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for from := 0; from < docs; from += 1000 {
		putBench(b, s, from, min(from+1000, docs))
	}
	return s
}

func putBench(b *testing.B, s store.Store, from, to int) {
	err := s.Update(context.Background(), func(tx store.Tx) error {
		for i := from; i < to; i++ {
			if err := tx.Put(benchDoc(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkUpdate is one durable transaction of one document, by one writer and by many at a time.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openBench(b, 0)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
						putBench(b, s, i, i+1)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkView is a snapshot and the read of one document out of 20,000.
func BenchmarkView(b *testing.B) {
	s := openBench(b, 20000)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i = (i + 7919) % 20000
		d := benchDoc(i)
		if err := s.View(context.Background(), func(tx store.Tx) error {
			_, err := tx.Get(d.Kind, d.Key)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet is one more read in a snapshot.
func BenchmarkGet(b *testing.B) {
	s := openBench(b, 20000)
	b.ReportAllocs()
	if err := s.View(context.Background(), func(tx store.Tx) error {
		i := 0
		for b.Loop() {
			i = (i + 7919) % 20000
			d := benchDoc(i)
			if _, err := tx.Get(d.Kind, d.Key); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScan reads 1,000 documents in key order.
func BenchmarkScan(b *testing.B) {
	s := openBench(b, 20000)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.View(context.Background(), func(tx store.Tx) error {
			n := 0
			for _, err := range tx.Scan("resource", "", "") {
				if err != nil {
					return err
				}
				if n++; n == 1000 {
					break
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
