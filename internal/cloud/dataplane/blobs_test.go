package dataplane

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"

	"aksid/internal/azure"
)

func newBlobs(t *testing.T) (*blobs, azure.GUID) {
	t.Helper()
	b, err := openBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b, azure.NewGUID()
}

// TestUpload: a blob is there only when it is whole and linked.
func TestUpload(t *testing.T) {
	b, content := newBlobs(t)
	data := bytes.Repeat([]byte("layer"), 100_000)
	want := digest.FromBytes(data)
	u, err := b.start(content, "app")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.resume(content, "app", u.ID(), 0); !errors.Is(err, ociregistry.ErrBlobUploadInvalid) {
		t.Errorf("two write to one upload: %v", err)
	}
	if _, err := u.Write(data[:7]); err != nil {
		t.Fatal(err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "..", "../../x", azure.NewGUID().String(), u.ID() + ".x"} {
		if _, err := b.resume(content, "app", id, 0); !errors.Is(err, ociregistry.ErrBlobUploadUnknown) {
			t.Errorf("an upload called %q: %v", id, err)
		}
	}
	if _, err := b.resume(content, "other", u.ID(), 0); !errors.Is(err, ociregistry.ErrBlobUploadUnknown) {
		t.Errorf("the upload in another repository: %v", err)
	}
	if _, err := b.resume(content, "app", u.ID(), 6); !errors.Is(err, ociregistry.ErrRangeInvalid) {
		t.Errorf("at another offset: %v", err)
	}
	u, err = b.resume(content, "app", strings.ToUpper(u.ID()), 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.finish(want, func() error { t.Error("a part was linked"); return nil }); !errors.Is(err, ociregistry.ErrDigestInvalid) {
		t.Errorf("a part of a blob: %v", err)
	}
	if _, err := u.Write(data[7:]); err != nil {
		t.Fatal(err)
	}
	linked := false
	if err := u.finish(want, func() error { linked = true; return nil }); err != nil || !linked {
		t.Fatalf("%v, linked: %v", err, linked)
	}
	f, size, err := b.open(content, want)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) || size != int64(len(data)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := u.Cancel(); err != nil {
		t.Errorf("cancel after the end: %v", err)
	}
	if err := b.remove(content, want, func() (bool, error) { return true, nil }); err != nil {
		t.Fatal(err)
	}
	if list, err := b.list(content); err != nil || len(list) != 1 {
		t.Errorf("a linked blob was removed: %v, %v", list, err)
	}
	if err := b.remove(content, want, func() (bool, error) { return false, nil }); err != nil {
		t.Fatal(err)
	}
	if list, err := b.list(content); err != nil || len(list) != 0 {
		t.Errorf("an unlinked blob is there: %v, %v", list, err)
	}
}

// TestUploadsAtOnce: many clients push the same blob while others take it away; who was told that it is there finds it.
func TestUploadsAtOnce(t *testing.T) {
	b, content := newBlobs(t)
	data := []byte("shared layer")
	want := digest.FromBytes(data)
	var mu sync.Mutex
	links := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				u, err := b.start(content, "app")
				if err == nil {
					_, err = u.Write(data)
				}
				if err == nil {
					err = u.finish(want, func() error { mu.Lock(); defer mu.Unlock(); links++; return nil })
				}
				if err != nil {
					t.Error(err)
					return
				}
				f, _, err := b.open(content, want)
				if err != nil {
					t.Errorf("a linked blob is gone: %v", err)
					return
				}
				f.Close()
				mu.Lock()
				links--
				mu.Unlock()
				if err := b.remove(content, want, func() (bool, error) { mu.Lock(); defer mu.Unlock(); return links > 0, nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if list, _ := b.list(content); len(list) != 0 {
		t.Errorf("left: %v", list)
	}
}

// TestOpenBlobs forgets what was on its way.
func TestOpenBlobs(t *testing.T) {
	dir := t.TempDir()
	b, err := openBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	content := azure.NewGUID()
	u, err := b.start(content, "app")
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
	if info, err := os.Stat(u.file.Name()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the upload's mode is %v, %v", info.Mode(), err)
	}
	if _, err := openBlobs(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "images", "*", "uploads", "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if all, err := b.contents(); err != nil || len(all) != 1 || all[0] != content {
		t.Errorf("the contents are %v, %v", all, err)
	}
	if err := b.drop(content); err != nil {
		t.Fatal(err)
	}
	if all, _ := b.contents(); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
}
