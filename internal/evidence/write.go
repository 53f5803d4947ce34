package evidence

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrExists says that there is something already where a bundle is to be written. Evidence is not written over.
var ErrExists = errors.New("it is there already; evidence is not written over")

// Write writes a bundle: into a file that ends in .zip, or into a folder that is new or empty. Only its owner can read it. It
// is there wholly or not at all.
func Write(path string, files []File) error {
	if isZip(path) {
		return writeZip(path, files)
	}
	return writeFolder(path, files)
}

func isZip(path string) bool { return strings.EqualFold(filepath.Ext(path), ".zip") }

func writeFolder(path string, files []File) error {
	switch entries, err := os.ReadDir(path); {
	case err == nil && len(entries) > 0:
		return ErrExists
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(filepath.Clean(path))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(parent, ".aksid-evidence-") // mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(made) // fails once it has been renamed
	for _, f := range files {
		to := filepath.Join(made, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, f.Data, 0o600); err != nil {
			return err
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder
		return err
	}
	return os.Rename(made, path)
}

// epoch is the time of every file in an archive, the first that the form has: the bundle's own time is in its manifest.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func writeZip(path string, files []File) error {
	if _, err := os.Lstat(path); err == nil {
		return ErrExists
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".aksid-evidence-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	err = archive(f, files)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func archive(w io.Writer, files []File) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Path, Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o600)
		to, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := to.Write(f.Data); err != nil {
			return err
		}
	}
	return z.Close()
}

// limits bound a bundle that is read: files, and bytes of one and of all.
type limits struct{ files, file, total int }

var usual = limits{10_000, 256 << 20, 1 << 30}

func (l limits) tooMany() error {
	return fmt.Errorf("it holds more than %d files or %d bytes", l.files, l.total)
}

// safe reports whether a path may stand in a bundle: below it, with slashes, in one way only.
func safe(path string) bool {
	return fs.ValidPath(path) && path != "." && !strings.ContainsAny(path, "\\:\x00") && !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' })
}

// Read reads a bundle from a folder or an archive.
func Read(path string) ([]File, error) { return usual.read(path) }

func (l limits) read(path string) ([]File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return l.folder(path)
	}
	return l.zip(path)
}

func (l limits) folder(root string) (out []File, err error) {
	total := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no plain file: a bundle has none", name)
		}
		data, err := l.open(path)
		if total += len(data); err == nil && (len(out) == l.files || total > l.total) {
			err = l.tooMany()
		}
		out = append(out, File{name, data})
		return err
	})
	return out, err
}

func (l limits) open(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return l.bounded(path, f)
}

func (l limits) bounded(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(l.file)+1))
	if err == nil && len(data) > l.file {
		err = fmt.Errorf("%s is larger than %d bytes", name, l.file)
	}
	return data, err
}

// readZip reads an archive. Nothing is written anywhere, so that no path can lead out of it; what a file says of its size is not
// believed.
func (l limits) zip(path string) (out []File, err error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("it is no folder and no archive: %w", err)
	}
	defer z.Close()
	if len(z.File) > l.files {
		return nil, l.tooMany()
	}
	total, seen := 0, map[string]bool{}
	for _, f := range z.File {
		switch {
		case strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0:
			continue
		case !safe(f.Name):
			return nil, fmt.Errorf("it holds a file with the path %q, which leads out of it", f.Name)
		case seen[f.Name]:
			return nil, fmt.Errorf("it holds %s twice", f.Name)
		case !f.Mode().IsRegular():
			return nil, fmt.Errorf("%s is no plain file: a bundle has none", f.Name)
		}
		seen[f.Name] = true
		data, err := l.unpack(f)
		if err != nil {
			return nil, err
		}
		if total += len(data); total > l.total {
			return nil, l.tooMany()
		}
		out = append(out, File{f.Name, data})
	}
	return out, nil
}

func (l limits) unpack(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	defer r.Close()
	data, err := l.bounded(f.Name, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return data, nil
}
