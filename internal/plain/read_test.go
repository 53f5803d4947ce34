package plain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 2<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		most int64
		want string // of the error; "": none
	}{
		{path, 2 << 10, ""},
		{path, 1 << 10, "it is larger than 1 KiB"},
		{dir, 1 << 20, "it is no plain file"},
		{filepath.Join(dir, "none"), 1 << 20, "no such file"},
	} {
		text, err := ReadFile(c.path, c.most)
		if c.want == "" && (err != nil || len(text) != 2<<10) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("ReadFile(%s, %d) = %d bytes, %v, want %q", c.path, c.most, len(text), err, c.want)
		}
	}
	if _, err := Read(strings.NewReader(strings.Repeat("x", 3<<20)), 2<<20); err == nil || err.Error() != "it is larger than 2 MiB" {
		t.Errorf("Read of too much: %v", err)
	}
}
