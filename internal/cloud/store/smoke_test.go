package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"aksid/internal/cloud/store"
)

func TestSmoke(t *testing.T) {
	var seen []store.Doc
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "a?b%.db"), store.Options{Applied: func(d []store.Doc) { seen = append(seen, d...) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 300 {
		if err := s.Update(ctx, func(tx store.Tx) error {
			return tx.Put(store.Doc{Kind: "k", Key: fmt.Sprintf("%03d\xff\x00", i), Refs: []string{"r"}, Body: []byte("{}")})
		}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := s.Update(ctx, func(tx store.Tx) error {
		for d, err := range tx.Scan("k", "0", "") {
			if err != nil {
				return err
			}
			n++
			if err := tx.Delete(d.Kind, d.Key); err != nil {
				return err
			}
		}
		return nil
	}); err != nil || n != 100 {
		t.Fatal(err, n)
	}
	n = 0
	if err := s.View(ctx, func(tx store.Tx) error {
		for d, err := range tx.Find("r") {
			if err != nil {
				return err
			}
			_ = d
			n++
		}
		return nil
	}); err != nil || n != 200 {
		t.Fatal(err, n)
	}
	n = 0
	for d, err := range s.Changes(ctx, 5) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; d.Deleted != (d.Rev > 300) {
			t.Fatal(d)
		}
	}
	if n != 300 || len(seen) != 400 {
		t.Fatal(n, len(seen))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
