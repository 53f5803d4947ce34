// Command release builds the archives of a release: go run ./scripts/release [--out FOLDER] [OS/ARCH...].
//
// The same commit gives the same bytes, wherever and whenever it is built with the same Go: paths are trimmed, times are the
// commit's, owners are nobody. SHA256SUMS lists what was made, as sha256sum --check reads it.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// platforms are those of a release.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// documents go beside the program.
var documents = []string{"LICENSE", "README.md"}

func main() {
	out := flag.String("out", "dist", "folder to write to")
	version := flag.String("version", "", "version (default: git describe)")
	flag.Parse()
	if err := run(*out, *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(out, version string, only []string) error {
	if len(only) == 0 {
		only = platforms
	}
	r, err := newRelease(version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var sums []string
	for _, p := range only {
		name, text, err := r.archive(p)
		if err == nil {
			err = os.WriteFile(filepath.Join(out, name), text, 0o644)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		sums = append(sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(text), name))
		fmt.Println(filepath.Join(out, name))
	}
	slices.SortFunc(sums, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(strings.Join(sums, "")), 0o644)
}

// release is what is built.
type release struct {
	version string
	time    time.Time // of the commit
	build   func(goos, goarch, version, to string) error
}

// versions are what may stand in a file's name and in a linker's flag.
var versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$`)

func newRelease(version string) (release, error) {
	r := release{version: version, build: build}
	if version == "" {
		text, err := git("describe", "--tags", "--always", "--dirty")
		if err != nil {
			return r, fmt.Errorf("the version is not known: %w; say --version", err)
		}
		r.version = text
	}
	if !versions.MatchString(r.version) {
		return r, fmt.Errorf("%q is no version", r.version)
	}
	stamp := os.Getenv("SOURCE_DATE_EPOCH") // reproducible-builds.org
	if stamp == "" {
		var err error
		if stamp, err = git("log", "-1", "--format=%ct"); err != nil {
			return r, fmt.Errorf("the commit's time is not known: %w; set SOURCE_DATE_EPOCH", err)
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return r, fmt.Errorf("%q is no time in seconds", stamp)
	}
	r.time = time.Unix(seconds, 0).UTC()
	return r, nil
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("git %s: %s", args[0], bytes.TrimSpace(failed.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

// versionFlag tells the linker where the version goes.
const versionFlag = "-X aksid/internal/cli.release="

// build compiles a static program. The build id is left out: it would differ with the place that it is built in.
func build(goos, goarch, version, to string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=auto",
		"-ldflags", "-s -w -buildid= "+versionFlag+version, "-o", to, "./cmd/aksid")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// archive builds for a platform and packs it.
func (r release) archive(platform string) (name string, text []byte, err error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", nil, errors.New("a platform is OS/ARCH, as linux/arm64")
	}
	dir, err := os.MkdirTemp("", "aksid-release")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "aksid")
	if goos == "windows" {
		program += ".exe"
	}
	if err := r.build(goos, goarch, r.version, program); err != nil {
		return "", nil, err
	}
	folder := fmt.Sprintf("aksid_%s_%s_%s", strings.TrimPrefix(r.version, "v"), goos, goarch)
	files := []file{{program, 0o755}}
	for _, d := range documents {
		files = append(files, file{d, 0o644})
	}
	var b bytes.Buffer
	if goos == "windows" {
		err = r.zip(&b, folder, files)
		return folder + ".zip", b.Bytes(), err
	}
	err = r.tar(&b, folder, files)
	return folder + ".tar.gz", b.Bytes(), err
}

type file struct {
	path string
	mode int64
}

func (r release) tar(w io.Writer, folder string, files []file) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // its header has no name and no time
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: folder + "/" + filepath.Base(f.path), Mode: f.mode, Size: int64(len(text)), ModTime: r.time, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func (r release) zip(w io.Writer, folder string, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: folder + "/" + filepath.Base(f.path), Method: zip.Deflate, Modified: r.time}
		h.SetMode(os.FileMode(f.mode))
		e, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := e.Write(text); err != nil {
			return err
		}
	}
	return z.Close()
}
