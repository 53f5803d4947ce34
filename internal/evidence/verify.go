package evidence

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"aksid/internal/breakglass"
	"aksid/internal/plain"
)

// Verdict is what there is to say of a bundle.
type Verdict struct {
	CreatedAt time.Time `json:"createdAt,omitzero"`
	Files     int       `json:"files"`              // that are as the manifest says
	Problems  []string  `json:"problems"`           // none: the bundle is as it was made
	Record    []string  `json:"record"`             // what is wrong with the break-glass record that it was made with
	Signed    bool      `json:"signed"`             // by a key of which the signature fits
	Key       string    `json:"key,omitempty"`      // fingerprint of that key
	Signer    string    `json:"signer,omitempty"`   // who that is, as the allowed signers say
	Trusted   bool      `json:"trusted"`            // the key is one of the signers
	Created   Collector `json:"collector,omitzero"` // as the bundle itself says
}

// Verify compares the files of a bundle with its manifest, and the manifest with its signature. With signers, it has to be one of
// theirs; without them nobody has said whose signature counts.
func Verify(files []File, signers Signers) Verdict {
	v := Verdict{Problems: []string{}, Record: []string{}}
	bad := func(format string, args ...any) { v.Problems = append(v.Problems, fmt.Sprintf(format, args...)) }
	byPath := map[string]File{}
	for _, f := range files {
		byPath[f.Path] = f
	}
	text, ok := byPath[ManifestName]
	if !ok {
		bad("%s is missing: it is no bundle, or no whole one", ManifestName)
		return v
	}
	m, err := readManifest(text.Data)
	if err != nil {
		bad("%s: %v", ManifestName, err)
		return v
	}
	v.CreatedAt = m.CreatedAt
	v.compare(m, byPath, bad)
	v.signature(byPath, signers, bad)
	v.record(byPath)
	var c struct{ Collector Collector }
	if json.Unmarshal(byPath["collection.json"].Data, &c) == nil {
		v.Created = c.Collector
	}
	return v
}

func readManifest(text []byte) (m Manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("it cannot be read: %w", err)
	}
	switch {
	case m.Bundle != bundleName:
		return m, fmt.Errorf("it is the manifest of something else")
	case m.SchemaVersion != SchemaVersion:
		return m, fmt.Errorf("its form is %q; this version of aksid knows %q", m.SchemaVersion, SchemaVersion)
	}
	return m, nil
}

// compare compares every file with the manifest, in both directions.
func (v *Verdict) compare(m Manifest, byPath map[string]File, bad func(string, ...any)) {
	listed := map[string]bool{ManifestName: true, SignatureName: true}
	for _, e := range m.Files {
		f, ok := byPath[e.Path]
		switch {
		case listed[e.Path]:
			bad("%s stands in the manifest twice, or has no place there", shown(e.Path))
		case !ok:
			bad("%s is missing", shown(e.Path))
		case int64(len(f.Data)) != e.Size || sum(f.Data) != strings.ToLower(e.SHA256):
			bad("%s was changed: its SHA-256 is %s, the manifest says %s", shown(e.Path), sum(f.Data), shown(e.SHA256))
		default:
			v.Files++
		}
		listed[e.Path] = true
	}
	var added []string
	for path := range byPath {
		if !listed[path] {
			added = append(added, path)
		}
	}
	slices.Sort(added)
	for _, path := range added {
		bad("%s was added: the manifest does not have it", shown(path))
	}
}

// shown is a text of a bundle that may be anybody's.
func shown(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return plain.Text(s)
}

func (v *Verdict) signature(byPath map[string]File, signers Signers, bad func(string, ...any)) {
	sig, ok := byPath[SignatureName]
	if !ok {
		if signers != nil {
			bad("%s is missing: the bundle is not signed", SignatureName)
		}
		return
	}
	key, err := checkSignature(sig.Data, byPath[ManifestName].Data)
	if err != nil {
		bad("%s: %v", SignatureName, err)
		return
	}
	v.Signed, v.Key = true, ssh.FingerprintSHA256(key)
	if signers == nil {
		return
	}
	if v.Signer, v.Trusted = signers.find(key); !v.Trusted {
		bad("%s: it was signed by %s, which is none of the signers", SignatureName, v.Key)
	}
}

// record looks at the break-glass record itself, which may have been damaged before it came into the bundle.
func (v *Verdict) record(byPath map[string]File) {
	f, ok := byPath["breakglass/record.jsonl"]
	if !ok {
		return
	}
	rec, err := breakglass.Read(strings.NewReader(string(f.Data)))
	if err != nil {
		v.Record = append(v.Record, err.Error())
		return
	}
	for _, p := range rec.Problems {
		v.Record = append(v.Record, p.String())
	}
}
