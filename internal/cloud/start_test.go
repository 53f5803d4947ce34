package cloud_test

import (
	"os"
	"testing"

	"aksid/internal/cloud"
)

// BenchmarkOpen is the start of a local Azure: the first one, which makes keys and a tenant, and later ones.
func BenchmarkOpen(b *testing.B) {
	open := func(b *testing.B, dir string) {
		cl, err := cloud.Open(b.Context(), cloud.Config{Dir: dir, Addr: host})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := cl.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir, err := os.MkdirTemp(b.TempDir(), "")
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			open(b, dir)
		}
	})
	b.Run("again", func(b *testing.B) {
		dir := b.TempDir()
		open(b, dir)
		for b.Loop() {
			open(b, dir)
		}
	})
}
