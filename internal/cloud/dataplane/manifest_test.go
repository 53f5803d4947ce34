package dataplane

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cuelabs.dev/go/oci/ociregistry"
)

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
	digestA   = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB   = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestParseManifest(t *testing.T) {
	config := `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digestA + `","size":10}`
	for _, c := range []struct {
		name, mediaType, raw string
		blobs, manifests     int // -1: refused
		size                 int64
	}{
		{"an image", imageType, `{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + digestB + `","size":100}]}`, 2, 0, 110},
		{"a layer twice", imageType, `{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + digestB + `","size":1},{"digest":"` + digestB + `","size":1}]}`, 2, 0, 12},
		{"a layer elsewhere", imageType, `{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + digestB + `","size":100,"urls":["https://example.com"]}]}`, 1, 0, 110},
		{"parameters of the type", imageType + "; charset=utf-8", `{"schemaVersion":2,` + config + `}`, 1, 0, 10},
		{"an index", indexType, `{"schemaVersion":2,"manifests":[{"digest":"` + digestA + `","size":5}]}`, 0, 1, 0},
		{"an index as an image", imageType, `{"schemaVersion":2,"manifests":[]}`, -1, 0, 0},
		{"an image as an index", indexType, `{"schemaVersion":2,` + config + `}`, -1, 0, 0},
		{"another media type inside", imageType, `{"schemaVersion":2,"mediaType":"` + indexType + `",` + config + `}`, -1, 0, 0},
		{"schema 1", imageType, `{"schemaVersion":1,` + config + `}`, -1, 0, 0},
		{"a digest that is a path", imageType, `{"schemaVersion":2,` + strings.Replace(config, digestA, "sha256:../../x", 1) + `}`, -1, 0, 0},
		{"an unknown algorithm", imageType, `{"schemaVersion":2,` + strings.Replace(config, "sha256", "md5", 1) + `}`, -1, 0, 0},
		{"a subject that is no digest", imageType, `{"schemaVersion":2,"subject":{"digest":"x"},` + config + `}`, -1, 0, 0},
		{"more than a layer can have", imageType, `{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + digestB + `","size":999999999999}]}`, -1, 0, 0},
		{"an array", imageType, `[]`, -1, 0, 0},
		{"nothing", imageType, ``, -1, 0, 0},
		{"another type", "text/plain", `{"schemaVersion":2,` + config + `}`, -1, 0, 0},
	} {
		m, err := parseManifest([]byte(c.raw), c.mediaType)
		if c.blobs < 0 {
			if !errors.Is(err, ociregistry.ErrManifestInvalid) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || len(m.Blobs) != c.blobs || len(m.Manifests) != c.manifests || m.ImageSize != c.size+int64(len(c.raw)) {
			t.Errorf("%s: %v, %+v", c.name, err, m)
		}
	}
}

// FuzzManifest: whatever is pushed is refused or has digests that can be parts of paths, and reads as it was written.
func FuzzManifest(f *testing.F) {
	f.Add(`{"schemaVersion":2,"config":{"digest":"`+digestA+`","size":1},"layers":[{"digest":"`+digestB+`","size":2}],"subject":{"digest":"`+digestA+`"}}`, imageType)
	f.Add(`{"schemaVersion":2,"manifests":[{"digest":"`+digestA+`"}]}`, indexType)
	f.Fuzz(func(t *testing.T, raw, mediaType string) {
		m, err := parseManifest([]byte(raw), mediaType)
		if err != nil {
			if !errors.Is(err, ociregistry.ErrManifestInvalid) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for _, d := range append(append(m.Blobs, m.Manifests...), m.Digest) {
			if strings.ContainsAny(d.Encoded(), "/\\.") || d.Validate() != nil {
				t.Fatalf("a digest that is none: %q", d)
			}
		}
		if m.ImageSize < int64(len(raw)) {
			t.Fatalf("the image has %d bytes, its manifest alone %d", m.ImageSize, len(raw))
		}
		body, err := json.Marshal(m)
		var back manifest
		if err == nil {
			err = json.Unmarshal(body, &back)
		}
		if err != nil || string(back.Raw) != raw {
			t.Fatalf("read back as %q, %v", back.Raw, err)
		}
	})
}
