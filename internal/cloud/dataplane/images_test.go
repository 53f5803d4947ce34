package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// model is a registry thought through without indexes: what images is compared with.
type model map[string]*modelRepo

type modelRepo struct {
	blobs     map[string]bool     // by content
	manifests map[string][]string // the blobs of each, by content
	tags      map[string]string   // to manifests
}

func (m model) repo(name string) *modelRepo {
	if m[name] == nil {
		m[name] = &modelRepo{map[string]bool{}, map[string][]string{}, map[string]string{}}
	}
	return m[name]
}

func (r *modelRepo) used(blob string) bool {
	for _, blobs := range r.manifests {
		if slices.Contains(blobs, blob) {
			return true
		}
	}
	return false
}

func (r *modelRepo) deleteManifest(raw string) {
	blobs := r.manifests[raw]
	delete(r.manifests, raw)
	maps.DeleteFunc(r.tags, func(_, to string) bool { return to == raw })
	for _, b := range blobs {
		if !r.used(b) {
			delete(r.blobs, b)
		}
	}
}

// walk does random things to a registry and to its model.
type walk struct {
	*testing.T
	rand   *rand.Rand
	images *images
	model  model
	log    []string
}

func pick[T any](w *walk, from ...T) T { return from[w.rand.IntN(len(from))] }

func (w *walk) blob() string { return fmt.Sprint("blob ", w.rand.IntN(6)) }

// manifest is a manifest of some blobs.
func (w *walk) manifest() (raw string, blobs []string) {
	config := w.blob()
	blobs = append(blobs, config)
	layers := ""
	for range w.rand.IntN(3) {
		b := w.blob()
		blobs = append(blobs, b)
		layers += fmt.Sprintf(`,{"mediaType":"l","digest":"%s","size":%d}`, digest.FromString(b), len(b))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"c","digest":"%s","size":%d},"layers":[%s]}`, digest.FromString(config), len(config), strings.TrimPrefix(layers, ",")), blobs
}

func (w *walk) expect(what string, err error, want bool) {
	w.Helper()
	w.log = append(w.log, fmt.Sprintf("%s: %v", what, err))
	if (err == nil) != want {
		w.Fatalf("after\n%s\nit should be %v", strings.Join(w.log, "\n"), want)
	}
}

func (w *walk) step(ctx context.Context) {
	repo := pick(w, "app", "team/app")
	r, tag := w.model.repo(repo), pick(w, "v1", "v2")
	switch w.rand.IntN(8) {
	case 0, 1:
		b := w.blob()
		_, err := w.images.PushBlob(ctx, repo, ociregistry.Descriptor{Digest: digest.FromString(b)}, strings.NewReader(b))
		w.expect("push "+b+" to "+repo, err, true)
		r.blobs[b] = true
	case 2:
		b, from := w.blob(), pick(w, "app", "team/app")
		_, err := w.images.MountBlob(ctx, from, repo, digest.FromString(b))
		there := w.model.repo(from).blobs[b]
		w.expect("mount "+b+" of "+from+" to "+repo, err, there)
		if there {
			r.blobs[b] = true
		}
	case 3, 4:
		w.push(ctx, repo, pick(w, tag, ""))
	case 5:
		raw, _ := w.manifest()
		if len(r.manifests) > 0 && w.rand.IntN(4) > 0 {
			raw = slices.Sorted(maps.Keys(r.manifests))[w.rand.IntN(len(r.manifests))]
		}
		_, there := r.manifests[raw]
		w.expect("delete a manifest of "+repo, w.images.DeleteManifest(ctx, repo, digest.FromString(raw)), there)
		r.deleteManifest(raw)
	case 6:
		_, there := r.tags[tag]
		w.expect("untag "+repo+":"+tag, w.images.Store.Update(ctx, func(tx store.Tx) error { return w.images.untag(tx, repo, tag) }), there)
		delete(r.tags, tag)
	case 7:
		if w.rand.IntN(4) == 0 {
			_, err := w.images.deleteRepository(ctx, repo)
			w.expect("delete "+repo, err, len(r.manifests) > 0)
			for raw := range maps.Clone(r.manifests) {
				r.deleteManifest(raw)
			}
			return
		}
		b := w.blob()
		ok := r.blobs[b] && !r.used(b)
		w.expect("delete "+b+" of "+repo, w.images.DeleteBlob(ctx, repo, digest.FromString(b)), ok)
		if ok {
			delete(r.blobs, b)
		}
	}
}

func (w *walk) push(ctx context.Context, repo, tag string) {
	r := w.model.repo(repo)
	raw, blobs := w.manifest()
	_, err := w.images.PushManifest(ctx, repo, tag, []byte(raw), imageType)
	complete := !slices.ContainsFunc(blobs, func(b string) bool { return !r.blobs[b] })
	w.expect("push a manifest to "+repo+":"+tag, err, complete)
	if !complete {
		return
	}
	r.manifests[raw] = blobs
	if tag != "" {
		r.tags[tag] = raw
	}
}

// compare reads everything from the registry.
func (w *walk) compare(ctx context.Context) {
	files := map[ociregistry.Digest]bool{}
	for repo, r := range w.model {
		for i := range 6 {
			b := fmt.Sprint("blob ", i)
			got, err := w.images.GetBlob(ctx, repo, digest.FromString(b))
			if (err == nil) != r.blobs[b] {
				w.Fatalf("after\n%s\n%s in %s is there: %v, want %v", strings.Join(w.log, "\n"), b, repo, err == nil, r.blobs[b])
			}
			if err != nil {
				continue
			}
			files[digest.FromString(b)] = true
			if data, err := io.ReadAll(got); err != nil || string(data) != b {
				w.Fatalf("%s is %q, %v", b, data, err)
			}
			got.Close()
		}
		for raw := range r.manifests {
			if got, err := w.images.GetManifest(ctx, repo, digest.FromString(raw)); err != nil {
				w.Fatalf("after\n%s\na manifest of %s is gone: %v", strings.Join(w.log, "\n"), repo, err)
			} else if data, _ := io.ReadAll(got); string(data) != raw {
				w.Fatalf("a manifest is %q", data)
			}
		}
		tags, err := ociregistry.All(w.images.Tags(ctx, repo, ""))
		if len(r.manifests) == 0 && err != nil {
			continue // the repository is gone
		}
		if err != nil || !slices.Equal(tags, slices.Sorted(maps.Keys(r.tags))) {
			w.Fatalf("after\n%s\nthe tags of %s are %v, %v, want %v", strings.Join(w.log, "\n"), repo, tags, err, r.tags)
		}
		for tag, raw := range r.tags {
			if got, err := w.images.ResolveTag(ctx, repo, tag); err != nil || got.Digest != digest.FromString(raw) {
				w.Fatalf("after\n%s\n%s:%s is %v, %v", strings.Join(w.log, "\n"), repo, tag, got, err)
			}
		}
	}
	list, err := w.images.blobs.list(w.images.content)
	if err != nil || len(list) != len(files) {
		w.Fatalf("after\n%s\nthere are %d files, want %d, %v", strings.Join(w.log, "\n"), len(list), len(files), err)
	}
}

// TestImagesModel compares a registry with its model after each of many random steps.
func TestImagesModel(t *testing.T) {
	s := newService(t, nil)
	for seed := range uint64(6) {
		content := azure.NewGUID()
		s.owner(t, content)
		w := &walk{T: t, rand: rand.New(rand.NewPCG(seed, 0)), images: &images{Service: s, content: content}, model: model{}}
		for range 120 {
			w.step(t.Context())
			w.compare(t.Context())
		}
	}
}

// TestLocks: each lock refuses what it is for.
func TestLocks(t *testing.T) {
	s := newService(t, nil)
	content := azure.NewGUID()
	s.owner(t, content)
	i := &images{Service: s, content: content}
	w := &walk{T: t, rand: rand.New(rand.NewPCG(1, 1)), images: i, model: model{}}
	ctx := t.Context()
	for n := range 6 {
		b := fmt.Sprint("blob ", n)
		if _, err := i.PushBlob(ctx, "app", ociregistry.Descriptor{Digest: digest.FromString(b)}, strings.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	raw, _ := w.manifest()
	d := digest.FromString(raw)
	push := func(tag string) error {
		_, err := i.PushManifest(ctx, "app", tag, []byte(raw), imageType)
		return err
	}
	if err := push("v1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, key string
		lock      locks
		do        func() error
	}{
		{kindRepository, i.repo("app"), locks{Write: true}, func() error { return push("v2") }},
		{kindRepository, i.repo("app"), locks{Delete: true}, func() error { return i.DeleteManifest(ctx, "app", d) }},
		{kindRepository, i.repo("app"), locks{Read: true}, func() error { _, err := i.GetTag(ctx, "app", "v1"); return err }},
		{kindManifest, i.at("app", d), locks{Write: true}, func() error { return push("v1") }},
		{kindManifest, i.at("app", d), locks{Delete: true}, func() error { return i.DeleteManifest(ctx, "app", d) }},
		{kindManifest, i.at("app", d), locks{Read: true}, func() error { _, err := i.GetManifest(ctx, "app", d); return err }},
		{kindTag, i.tag("app", "v1"), locks{Delete: true}, func() error { return i.DeleteManifest(ctx, "app", d) }},
		{kindTag, i.tag("app", "v1"), locks{Delete: true}, func() error {
			return s.Store.Update(ctx, func(tx store.Tx) error { return i.untag(tx, "app", "v1") })
		}},
		{kindTag, i.tag("app", "v1"), locks{Read: true}, func() error { _, err := i.GetTag(ctx, "app", "v1"); return err }},
	} {
		set := func(l locks) {
			t.Helper()
			err := s.Store.Update(ctx, func(tx store.Tx) error {
				doc, err := tx.Get(c.kind, c.key)
				if err != nil {
					return err
				}
				var body object
				if _, err := get(tx, c.kind, c.key, &body); err != nil {
					return err
				}
				body["locks"] = l
				return put(tx, c.kind, c.key, body, doc.Refs...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		set(c.lock)
		if err := c.do(); !errors.Is(err, errDisallowed) {
			t.Errorf("with %+v on a %s: %v", c.lock, c.kind, err)
		}
		set(locks{})
	}
	if err := push("v1"); err != nil {
		t.Errorf("without locks: %v", err)
	}
}
