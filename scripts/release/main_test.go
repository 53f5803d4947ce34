package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // where it is run
		panic(err)
	}
	os.Exit(m.Run())
}

// fake is a release whose programs are texts.
func fake() release {
	return release{version: "v1.2.3", time: time.Unix(1_700_000_001, 0).UTC(), build: func(goos, goarch, version, to string) error {
		return os.WriteFile(to, []byte(goos+goarch+version), 0o600)
	}}
}

// Archives hold the same whoever makes them, and twice the same bytes.
func TestArchive(t *testing.T) {
	for _, p := range platforms {
		name, text, err := fake().archive(p)
		_, again, _ := fake().archive(p)
		if err != nil || !bytes.Equal(text, again) || len(text) == 0 {
			t.Errorf("%s: %d bytes, again %d, %v", p, len(text), len(again), err)
		}
		folder := "aksid_1.2.3_" + strings.ReplaceAll(p, "/", "_")
		program, want := "/aksid", strings.ReplaceAll(p, "/", "")+"v1.2.3"
		var got []string
		if strings.HasPrefix(p, "windows") {
			program = "/aksid.exe"
			got = unzip(t, text)
		} else {
			got = untar(t, text)
		}
		lines := strings.Join(got, "\n")
		if !strings.HasPrefix(lines, "-rwxr-xr-x 2023-11-14T22:13:2") || !strings.Contains(lines, folder+program+" "+want) || !strings.Contains(lines, folder+"/LICENSE") ||
			!strings.HasPrefix(name, folder+".") {
			t.Errorf("%s holds\n%s", name, lines)
		}
	}
	if _, _, err := fake().archive("linux"); err == nil {
		t.Error("linux is no platform")
	}
}

func untar(t *testing.T, text []byte) (out []string) {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(io.LimitReader(r, 64))
		out = append(out, fmt.Sprintf("%v %s %s %.20s", h.FileInfo().Mode(), h.ModTime.UTC().Format(time.RFC3339), h.Name, body))
		if h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s is owned by %d %s", h.Name, h.Uid, h.Uname)
		}
	}
}

func unzip(t *testing.T, text []byte) (out []string) {
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(io.LimitReader(r, 64))
		out = append(out, fmt.Sprintf("%v %s %s %.20s", f.Mode(), f.Modified.UTC().Format(time.RFC3339), f.Name, body))
	}
	return out
}

func TestVersion(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000001")
	for v, ok := range map[string]bool{"v1.2.3": true, "1.0.0-rc.1+x": true, "-X": false, "a b": false, "../x": false} {
		if _, err := newRelease(v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "soon")
	if _, err := newRelease("v1"); err == nil {
		t.Error("soon is no time")
	}
}

// The image holds a static program with its version, and runs it as nobody in particular.
func TestContainerfile(t *testing.T) {
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(text), "\nFROM ")
	last := stages[len(stages)-1]
	for _, want := range []string{"CGO_ENABLED=0 go build -trimpath", versionFlag + "${VERSION}"} {
		if !strings.Contains(stages[1], want) {
			t.Errorf("no %s in %s", want, stages[1])
		}
	}
	for _, want := range []string{"distroless/static", "\nUSER 65532:65532\n", "\nENTRYPOINT [\"/aksid\"]\n"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in %s", want, last)
		}
	}
}
