package dataplane

import (
	"encoding/json"
	"slices"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxManifest is the most, in bytes, that a manifest may have, as in the distribution project.
const maxManifest = 4 << 20

// maxBlob is the most, in bytes, that a layer may have: 200 GiB (Microsoft Learn: container registry limits).
const maxBlob = 200 << 30

// platform is what an image's configuration says it runs on.
type platform struct {
	Architecture string `json:"architecture,omitempty"`
	OS           string `json:"os,omitempty"`
}

// manifest is an image, an index of images or another artifact.
type manifest struct {
	entry
	platform
	Digest       ociregistry.Digest   `json:"digest"`
	MediaType    string               `json:"mediaType"`
	ConfigType   string               `json:"configMediaType,omitempty"`
	ArtifactType string               `json:"artifactType,omitempty"`
	Annotations  map[string]string    `json:"annotations,omitempty"`
	Subject      ociregistry.Digest   `json:"subject,omitempty"`
	Blobs        []ociregistry.Digest `json:"blobs,omitempty"`     // configuration and layers
	Manifests    []ociregistry.Digest `json:"manifests,omitempty"` // of an index
	ImageSize    int64                `json:"imageSize"`           // bytes of it and its blobs
	Raw          []byte               `json:"raw"`                 // as it was pushed

	config ociregistry.Digest
}

// Media types that a registry takes, and whether each is an index.
var mediaTypes = map[string]bool{
	ocispec.MediaTypeImageManifest:                              false,
	ocispec.MediaTypeImageIndex:                                 true,
	"application/vnd.docker.distribution.manifest.v2+json":      false,
	"application/vnd.docker.distribution.manifest.list.v2+json": true,
}

// parseManifest reads a manifest. Everything that is refused is ociregistry.ErrManifestInvalid.
func parseManifest(raw []byte, mediaType string) (manifest, error) {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	index, known := mediaTypes[mediaType]
	var doc struct {
		SchemaVersion int                      `json:"schemaVersion"`
		MediaType     string                   `json:"mediaType"`
		ArtifactType  string                   `json:"artifactType"`
		Annotations   map[string]string        `json:"annotations"`
		Config        *ociregistry.Descriptor  `json:"config"`
		Layers        []ociregistry.Descriptor `json:"layers"`
		Manifests     []ociregistry.Descriptor `json:"manifests"`
		Subject       *ociregistry.Descriptor  `json:"subject"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil || !known || doc.SchemaVersion != 2 ||
		doc.MediaType != "" && doc.MediaType != mediaType || index != (doc.Config == nil) {
		return manifest{}, ociregistry.ErrManifestInvalid
	}
	m := manifest{
		Digest: digest.FromBytes(raw), MediaType: mediaType, ArtifactType: doc.ArtifactType, Annotations: doc.Annotations,
		ImageSize: int64(len(raw)), Raw: raw,
	}
	if doc.Config != nil {
		doc.Layers = append(doc.Layers, *doc.Config)
		m.config, m.ConfigType = doc.Config.Digest, doc.Config.MediaType
		if m.ArtifactType == "" {
			m.ArtifactType = m.ConfigType
		}
	}
	if doc.Subject != nil {
		m.Subject = doc.Subject.Digest
	}
	for _, d := range doc.Layers {
		if d.Size < 0 || d.Size > maxBlob {
			return m, ociregistry.ErrManifestInvalid
		}
		m.ImageSize += d.Size
		if len(d.URLs) == 0 { // the others are elsewhere
			m.Blobs = append(m.Blobs, d.Digest)
		}
	}
	for _, d := range doc.Manifests {
		m.Manifests = append(m.Manifests, d.Digest)
	}
	return m, m.validate()
}

// validate checks that every digest is one: they become parts of keys and names of files.
func (m *manifest) validate() error {
	all := slices.Concat(m.Blobs, m.Manifests)
	if m.Subject != "" {
		all = append(all, m.Subject)
	}
	for _, d := range all {
		if d.Validate() != nil {
			return ociregistry.ErrManifestInvalid
		}
	}
	slices.Sort(m.Blobs)
	m.Blobs = slices.Compact(m.Blobs)
	return nil
}

func (m *manifest) descriptor() ociregistry.Descriptor {
	return ociregistry.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Raw))}
}

// referrer is the descriptor that a list of referrers shows (distribution specification, listing referrers).
func (m *manifest) referrer() ociregistry.Descriptor {
	d := m.descriptor()
	d.ArtifactType, d.Annotations = m.ArtifactType, m.Annotations
	return d
}
