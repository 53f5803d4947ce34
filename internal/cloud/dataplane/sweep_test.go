package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// newService is a service over an empty store.
func newService(t *testing.T, removed <-chan struct{}) *Service {
	t.Helper()
	dir := t.TempDir()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "test.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Dir: dir, Store: db, Now: time.Now, Removed: removed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// owner makes a resource that has a content id.
func (s *Service) owner(t *testing.T, content azure.GUID) {
	t.Helper()
	s.write(t, directory.KindResource, "/subscriptions/s/"+content.String(), contentRef(content.String()))
}

func (s *Service) write(t *testing.T, kind, key string, refs ...string) {
	t.Helper()
	err := s.Store.Update(t.Context(), func(tx store.Tx) error { return put(tx, kind, key, object{}, refs...) })
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Service) count(t *testing.T, kind string) (n int) {
	t.Helper()
	err := s.Store.View(t.Context(), func(tx store.Tx) error {
		for _, err := range tx.Scan(kind, "", "") {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// upload makes a file of a blob, linked or not.
func (s *Service) upload(t *testing.T, content azure.GUID, data string, link bool) {
	t.Helper()
	u, err := s.blobs.start(content, "app")
	if err == nil {
		_, err = u.Write([]byte(data))
	}
	d := digest.FromString(data)
	if err == nil {
		i := &images{Service: s, content: content}
		err = u.finish(d, func() error {
			if !link {
				return nil
			}
			return s.Store.Update(context.Background(), func(tx store.Tx) error { return i.link(tx, "app", d, int64(len(data))) })
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweep removes what no resource owns, of every kind, and nothing else.
func TestSweep(t *testing.T) {
	s := newService(t, nil)
	kept, gone, late := azure.MustGUID("22222222-2222-4222-8222-222222222222"), azure.MustGUID("11111111-1111-4111-8111-111111111111"), azure.MustGUID("33333333-3333-4333-8333-333333333333")
	s.owner(t, kept)
	for _, kind := range kinds {
		for _, content := range []azure.GUID{kept, gone, late} {
			for i := range 3 {
				s.write(t, kind, fmt.Sprintf("%s/x%d", content, i))
			}
		}
	}
	for i := range 2*sweepBatch + 1 {
		s.write(t, kindMessage, fmt.Sprintf("%s/many%d", gone, i))
	}
	s.upload(t, kept, "linked", true)
	s.upload(t, kept, "left by a push that did not end", false)
	s.upload(t, gone, "of a registry that is gone", false)
	if err := errors.Join(s.sweep(t.Context()), s.sweepBlobs(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		want := 3
		if kind == kindBlob {
			want = 4 // the linked one's document
		}
		if n := s.count(t, kind); n != want {
			t.Errorf("%d documents of kind %s are left, want %d", n, kind, want)
		}
	}
	if list, err := s.blobs.list(kept); err != nil || len(list) != 1 || list[0] != digest.FromString("linked") {
		t.Errorf("the blobs are %v, %v", list, err)
	}
	if all, err := s.blobs.contents(); err != nil || len(all) != 1 {
		t.Errorf("the registries are %v, %v", all, err)
	}
}

// TestSweepWhenTold sweeps when resources were removed.
func TestSweepWhenTold(t *testing.T) {
	removed := make(chan struct{}, 1)
	s := newService(t, removed)
	s.write(t, kindSecret, azure.NewGUID().String()+"/left")
	removed <- struct{}{}
	for end := time.Now().Add(time.Minute); s.count(t, kindSecret) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not swept")
		}
	}
}
