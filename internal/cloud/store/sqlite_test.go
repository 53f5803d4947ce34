package store_test

import (
	"path/filepath"
	"testing"

	"aksid/internal/cloud/store"
	"aksid/internal/cloud/store/storetest"
)

func open(t *testing.T, path string, o store.Options) store.Store {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string, o store.Options) store.Store {
		return open(t, filepath.Join(dir, "aksid.db"), o)
	})
}
