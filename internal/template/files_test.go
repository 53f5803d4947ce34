package template

import (
	"maps"
	"os"
	"slices"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
