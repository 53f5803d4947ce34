package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"github.com/opencontainers/go-digest"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// What a registry keeps in the store. Keys begin with the registry's content id, a slash and the repository.
const (
	kindRepository = "repository" // content/repository
	kindManifest   = "manifest"   // content/repository@digest
	kindTag        = "tag"        // content/repository:tag
	kindBlob       = "blob"       // content/repository@digest; the provider adds up their sizes
)

// entry is what a repository, a manifest and a tag have in common.
type entry struct {
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Locks   locks     `json:"locks,omitzero"`
}

// locks are the changeableAttributes that were set to false.
type locks struct {
	Delete bool `json:"delete,omitempty"`
	Write  bool `json:"write,omitempty"`
	Read   bool `json:"read,omitempty"`
	List   bool `json:"list,omitempty"`
}

type tag struct {
	entry
	Digest ociregistry.Digest `json:"digest"`
}

type blob struct {
	Size int64 `json:"size"` // bytes
}

// images are one registry's repositories. It implements ociregistry.Interface: manifests and tags are documents of
// the store, blobs are files. Who may do what was decided before.
type images struct {
	*ociregistry.Funcs // what is not implemented is refused
	*Service
	content azure.GUID
}

func (i *images) repo(repo string) string                     { return i.content.String() + "/" + repo }
func (i *images) at(repo string, d ociregistry.Digest) string { return i.repo(repo) + "@" + string(d) }
func (i *images) tag(repo, tag string) string                 { return i.repo(repo) + ":" + tag }
func (i *images) blobRef(d ociregistry.Digest) string {
	return "blob:" + i.content.String() + "@" + string(d)
}
func (i *images) use(repo string, d ociregistry.Digest) string  { return "use:" + i.at(repo, d) }
func (i *images) tags(repo string, d ociregistry.Digest) string { return "tag:" + i.at(repo, d) }
func (i *images) subject(repo string, d ociregistry.Digest) string {
	return "subject:" + i.at(repo, d)
}

// Errors of the registry's own, in the form of the distribution specification.
var errDisallowed error = wireError(azure.RegistryDisallowed.Error(), nil)

// wireError is an error as ociregistry passes it on; detail is nil or what marshals.
func wireError(e *azure.Error, detail any) error {
	var raw json.RawMessage
	if detail != nil {
		raw, _ = json.Marshal(detail) // of strings
	}
	return ociregistry.NewError(e.Message, e.Code, raw)
}

func errNoRepository(repo string) error {
	return wireError(azure.RegistryNameUnknown.Format(azure.Fields{"repository": repo}), map[string]string{"name": repo})
}

// repository reads a repository.
func (i *images) repository(tx store.Tx, repo string) (entry, error) {
	var e entry
	ok, err := get(tx, kindRepository, i.repo(repo), &e)
	if err == nil && !ok {
		err = errNoRepository(repo)
	}
	return e, err
}

// manifest reads a manifest that may be read.
func (i *images) manifest(tx store.Tx, repo string, d ociregistry.Digest) (manifest, error) {
	var m manifest
	r, err := i.repository(tx, repo)
	if err != nil {
		return m, err
	}
	ok, err := get(tx, kindManifest, i.at(repo, d), &m)
	switch {
	case err != nil:
	case !ok:
		err = wireError(azure.RegistryDigestUnknown.Format(azure.Fields{"digest": string(d)}), map[string]string{"Name": repo, "Revision": string(d)})
	case r.Locks.Read || m.Locks.Read:
		err = errDisallowed
	}
	return m, err
}

// tagged reads the manifest that a tag points to.
func (i *images) tagged(tx store.Tx, repo, name string) (manifest, error) {
	if _, err := i.repository(tx, repo); err != nil {
		return manifest{}, err
	}
	var t tag
	ok, err := get(tx, kindTag, i.tag(repo, name), &t)
	switch {
	case err != nil:
		return manifest{}, err
	case !ok:
		return manifest{}, wireError(azure.RegistryManifestUnknown.Format(azure.Fields{"tag": name}), map[string]string{"Tag": name})
	case t.Locks.Read:
		return manifest{}, errDisallowed
	}
	return i.manifest(tx, repo, t.Digest)
}

func (i *images) GetManifest(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	return i.read(ctx, func(tx store.Tx) (manifest, error) { return i.manifest(tx, repo, d) })
}

func (i *images) GetTag(ctx context.Context, repo, name string) (ociregistry.BlobReader, error) {
	return i.read(ctx, func(tx store.Tx) (manifest, error) { return i.tagged(tx, repo, name) })
}

func (i *images) ResolveManifest(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	r, err := i.GetManifest(ctx, repo, d)
	return describe(r, err)
}

func (i *images) ResolveTag(ctx context.Context, repo, name string) (ociregistry.Descriptor, error) {
	r, err := i.GetTag(ctx, repo, name)
	return describe(r, err)
}

func describe(r ociregistry.BlobReader, err error) (ociregistry.Descriptor, error) {
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	return r.Descriptor(), r.Close()
}

func (i *images) read(ctx context.Context, find func(store.Tx) (manifest, error)) (ociregistry.BlobReader, error) {
	var m manifest
	err := i.Store.View(ctx, func(tx store.Tx) (err error) {
		m, err = find(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ocimem.NewBytesReader(m.Raw, m.descriptor()), nil
}

// blobFile is an open blob.
type blobFile struct {
	io.Reader
	file *os.File
	desc ociregistry.Descriptor
}

func (b *blobFile) Close() error                       { return b.file.Close() }
func (b *blobFile) Descriptor() ociregistry.Descriptor { return b.desc }

func (i *images) GetBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	return i.GetBlobRange(ctx, repo, d, 0, -1)
}

func (i *images) GetBlobRange(ctx context.Context, repo string, d ociregistry.Digest, from, to int64) (ociregistry.BlobReader, error) {
	desc, err := i.ResolveBlob(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	f, size, err := i.blobs.open(i.content, d)
	if err != nil {
		return nil, err
	}
	if to < 0 || to > size {
		to = size
	}
	if from < 0 || from > to {
		return nil, errors.Join(ociregistry.ErrRangeInvalid, f.Close())
	}
	return &blobFile{io.NewSectionReader(f, from, to-from), f, desc}, nil
}

func (i *images) ResolveBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	var b blob
	err := i.Store.View(ctx, func(tx store.Tx) error {
		ok, err := get(tx, kindBlob, i.at(repo, d), &b)
		if err == nil && !ok {
			err = ociregistry.ErrBlobUnknown
		}
		return err
	})
	return ociregistry.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: b.Size}, err
}

// blobUpload is an upload that ends in a repository.
type blobUpload struct {
	*upload
	ctx    context.Context
	images *images
	repo   string
}

func (u *blobUpload) Commit(d ociregistry.Digest) (ociregistry.Descriptor, error) {
	desc := ociregistry.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: u.size}
	err := u.finish(d, func() error {
		return u.images.Store.Update(u.ctx, func(tx store.Tx) error { return u.images.link(tx, u.repo, d, u.size) })
	})
	if errors.Is(err, ociregistry.ErrDigestInvalid) {
		err = errors.Join(err, u.Cancel())
	}
	return desc, err
}

// link notes that a repository has a blob.
func (i *images) link(tx store.Tx, repo string, d ociregistry.Digest, size int64) error {
	return put(tx, kindBlob, i.at(repo, d), blob{size}, i.blobRef(d))
}

func (i *images) PushBlob(ctx context.Context, repo string, desc ociregistry.Descriptor, r io.Reader) (ociregistry.Descriptor, error) {
	w, err := i.PushBlobChunked(ctx, repo, 0)
	if err != nil {
		return desc, err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return desc, errors.Join(err, w.Cancel())
	}
	return w.Commit(desc.Digest)
}

func (i *images) PushBlobChunked(ctx context.Context, repo string, _ int) (ociregistry.BlobWriter, error) {
	u, err := i.blobs.start(i.content, repo)
	return i.uploadTo(ctx, repo, u, err)
}

func (i *images) PushBlobChunkedResume(ctx context.Context, repo, id string, offset int64, _ int) (ociregistry.BlobWriter, error) {
	u, err := i.blobs.resume(i.content, repo, id, offset)
	return i.uploadTo(ctx, repo, u, err)
}

func (i *images) uploadTo(ctx context.Context, repo string, u *upload, err error) (ociregistry.BlobWriter, error) {
	if err != nil {
		return nil, err
	}
	return &blobUpload{u, ctx, i, repo}, nil
}

func (i *images) MountBlob(ctx context.Context, from, to string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	var b blob
	err := i.Store.Update(ctx, func(tx store.Tx) error {
		ok, err := get(tx, kindBlob, i.at(from, d), &b)
		if err == nil && !ok {
			err = ociregistry.ErrBlobUnknown
		}
		if err != nil {
			return err
		}
		return i.link(tx, to, d, b.Size)
	})
	return ociregistry.Descriptor{Digest: d, Size: b.Size}, err
}

// PushManifest writes a manifest and points a tag to it. Everything it refers to must be there, save its subject.
func (i *images) PushManifest(ctx context.Context, repo, name string, raw []byte, mediaType string) (ociregistry.Descriptor, error) {
	m, err := parseManifest(raw, mediaType)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	i.readConfig(&m)
	err = i.Store.Update(ctx, func(tx store.Tx) error {
		if err := i.complete(tx, repo, &m); err != nil {
			return err
		}
		if err := i.putRepository(tx, repo); err != nil {
			return err
		}
		if err := i.putManifest(tx, repo, m); err != nil || name == "" {
			return err
		}
		return i.putTag(tx, repo, name, m.Digest)
	})
	return m.descriptor(), err
}

// complete checks that what a manifest refers to is in the repository.
func (i *images) complete(tx store.Tx, repo string, m *manifest) error {
	for kind, digests := range map[string][]ociregistry.Digest{kindBlob: m.Blobs, kindManifest: m.Manifests} {
		for _, d := range digests {
			if _, err := tx.Get(kind, i.at(repo, d)); isNotFound(err) {
				return ociregistry.ErrManifestBlobUnknown
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// putRepository makes a repository, or notes that it changed.
func (i *images) putRepository(tx store.Tx, repo string) error {
	now := i.now()
	e := entry{Created: now}
	_, err := get(tx, kindRepository, i.repo(repo), &e)
	if err == nil && e.Locks.Write {
		err = errDisallowed
	}
	if err != nil {
		return err
	}
	e.Updated = now
	return put(tx, kindRepository, i.repo(repo), e)
}

func (i *images) now() time.Time { return i.Now().UTC() }

func (i *images) putManifest(tx store.Tx, repo string, m manifest) error {
	now := i.now()
	old := manifest{entry: entry{Created: now}}
	_, err := get(tx, kindManifest, i.at(repo, m.Digest), &old)
	if err == nil && old.Locks.Write {
		err = errDisallowed
	}
	if err != nil {
		return err
	}
	m.entry = old.entry
	m.Updated = now
	var refs []string
	for _, d := range m.Blobs {
		refs = append(refs, i.use(repo, d))
	}
	if m.Subject != "" {
		refs = append(refs, i.subject(repo, m.Subject))
	}
	return put(tx, kindManifest, i.at(repo, m.Digest), m, refs...)
}

func (i *images) putTag(tx store.Tx, repo, name string, d ociregistry.Digest) error {
	now := i.now()
	t := tag{entry: entry{Created: now}}
	_, err := get(tx, kindTag, i.tag(repo, name), &t)
	if err == nil && t.Locks.Write && t.Digest != d {
		err = errDisallowed
	}
	if err != nil {
		return err
	}
	t.Digest, t.Updated = d, now
	return put(tx, kindTag, i.tag(repo, name), t, i.tags(repo, d))
}

// DeleteManifest removes a manifest, the tags that point to it, the blobs that no other manifest of the repository
// has, and a repository that is empty then.
func (i *images) DeleteManifest(ctx context.Context, repo string, d ociregistry.Digest) error {
	var freed []ociregistry.Digest
	err := i.Store.Update(ctx, func(tx store.Tx) (err error) {
		freed, err = i.deleteManifest(tx, repo, d)
		return err
	})
	return errors.Join(err, i.free(ctx, freed))
}

func (i *images) deleteManifest(tx store.Tx, repo string, d ociregistry.Digest) ([]ociregistry.Digest, error) {
	m, err := i.deletable(tx, repo, d)
	if err != nil {
		return nil, err
	}
	if err := tx.Delete(kindManifest, i.at(repo, d)); err != nil {
		return nil, err
	}
	if err := deleteAll(tx, tx.Find(i.tags(repo, d))); err != nil {
		return nil, err
	}
	freed, err := i.unlink(tx, repo, m.Blobs)
	if err != nil {
		return nil, err
	}
	if left, err := exists(tx.Scan(kindManifest, i.repo(repo)+"@", "")); err != nil || left {
		return freed, err
	}
	return freed, tx.Delete(kindRepository, i.repo(repo))
}

// deletable reads a manifest that no lock protects, nor its repository's or a tag's.
func (i *images) deletable(tx store.Tx, repo string, d ociregistry.Digest) (manifest, error) {
	r, err := i.repository(tx, repo)
	if err != nil {
		return manifest{}, err
	}
	m, err := i.manifest(tx, repo, d)
	if err == nil && (r.Locks.Delete || m.Locks.Delete) {
		err = errDisallowed
	}
	if err != nil {
		return m, err
	}
	for t, err := range decodeAll[tag](tx.Find(i.tags(repo, d))) {
		if err != nil {
			return m, err
		}
		if t.Locks.Delete {
			return m, errDisallowed
		}
	}
	return m, nil
}

// unlink takes blobs from a repository that none of its manifests has any more.
func (i *images) unlink(tx store.Tx, repo string, digests []ociregistry.Digest) (freed []ociregistry.Digest, err error) {
	for _, d := range digests {
		used, err := exists(tx.Find(i.use(repo, d)))
		if err != nil {
			return nil, err
		}
		if used {
			continue
		}
		if err := tx.Delete(kindBlob, i.at(repo, d)); err != nil {
			return nil, err
		}
		freed = append(freed, d)
	}
	return freed, nil
}

// free removes the files of blobs that no repository has any more.
func (i *images) free(ctx context.Context, digests []ociregistry.Digest) error {
	var all error
	for _, d := range digests {
		all = errors.Join(all, i.blobs.remove(i.content, d, func() (linked bool, err error) {
			err = i.Store.View(ctx, func(tx store.Tx) (err error) {
				linked, err = exists(tx.Find(i.blobRef(d)))
				return err
			})
			return linked, err
		}))
	}
	return all
}

// DeleteBlob takes a blob from a repository; one that a manifest needs stays.
func (i *images) DeleteBlob(ctx context.Context, repo string, d ociregistry.Digest) error {
	var freed []ociregistry.Digest
	err := i.Store.Update(ctx, func(tx store.Tx) (err error) {
		if _, err = tx.Get(kindBlob, i.at(repo, d)); isNotFound(err) {
			return ociregistry.ErrBlobUnknown
		}
		if err == nil {
			freed, err = i.unlink(tx, repo, []ociregistry.Digest{d})
		}
		if err == nil && len(freed) == 0 {
			err = errDisallowed
		}
		return err
	})
	return errors.Join(err, i.free(ctx, freed))
}

// untag removes a tag; the manifest stays.
func (i *images) untag(tx store.Tx, repo, name string) error {
	r, err := i.repository(tx, repo)
	if err != nil {
		return err
	}
	var t tag
	ok, err := get(tx, kindTag, i.tag(repo, name), &t)
	switch {
	case err != nil:
		return err
	case !ok:
		return wireError(azure.RegistryTagUnknown.Error(), map[string]string{"Name": repo, "Tag": name})
	case r.Locks.Delete || t.Locks.Delete:
		return errDisallowed
	}
	return tx.Delete(kindTag, i.tag(repo, name))
}

// removed is what a repository had.
type removed struct{ manifests, tags []string }

// deleteRepository removes a repository with all that it has.
func (i *images) deleteRepository(ctx context.Context, repo string) (removed, error) {
	var gone removed
	var freed []ociregistry.Digest
	err := i.Store.Update(ctx, func(tx store.Tx) (err error) {
		freed = nil
		if _, err = i.repository(tx, repo); err != nil {
			return err
		}
		if gone.manifests, err = i.keys(tx, kindManifest, repo+"@", ""); err != nil {
			return err
		}
		if gone.tags, err = i.keys(tx, kindTag, repo+":", ""); err != nil {
			return err
		}
		for _, d := range gone.manifests {
			more, err := i.deleteManifest(tx, repo, ociregistry.Digest(d))
			if err != nil {
				return err
			}
			freed = append(freed, more...)
		}
		return nil
	})
	return gone, errors.Join(err, i.free(ctx, freed))
}

// keys are the last parts of the keys of a kind that begin with the registry's content id and prefix.
func (i *images) keys(tx store.Tx, kind, prefix, after string) ([]string, error) {
	prefix = i.repo(prefix)
	if after != "" {
		after = prefix + after
	}
	all := []string{}
	for d, err := range tx.Scan(kind, prefix, after) {
		if err != nil {
			return nil, err
		}
		all = append(all, strings.TrimPrefix(d.Key, prefix))
	}
	return all, nil
}

// Tags lists a repository's tags.
func (i *images) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	var names []string
	err := i.Store.View(ctx, func(tx store.Tx) error {
		r, err := i.repository(tx, repo)
		if err != nil || r.Locks.List {
			return err
		}
		names, err = i.keys(tx, kindTag, repo+":", after)
		return err
	})
	if err != nil {
		return ociregistry.ErrorSeq[string](err)
	}
	return ociregistry.SliceSeq(names)
}

// Referrers lists the manifests with a subject.
func (i *images) Referrers(ctx context.Context, repo string, d ociregistry.Digest, artifactType string) iter.Seq2[ociregistry.Descriptor, error] {
	var all []ociregistry.Descriptor
	err := i.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		for m, err := range decodeAll[manifest](tx.Find(i.subject(repo, d))) {
			if err != nil {
				return err
			}
			if artifactType == "" || m.ArtifactType == artifactType {
				all = append(all, m.referrer())
			}
		}
		return nil
	})
	if err != nil {
		return ociregistry.ErrorSeq[ociregistry.Descriptor](err)
	}
	return ociregistry.SliceSeq(all)
}

// maxConfig bounds, in bytes, an image's configuration that is looked into for its platform.
const maxConfig = 1 << 20

// readConfig takes an image's platform from its configuration, if there is one.
func (i *images) readConfig(m *manifest) {
	if m.config == "" || m.config.Algorithm() != digest.SHA256 {
		return
	}
	f, size, err := i.blobs.open(i.content, m.config)
	if err != nil {
		return // complete says whether it is missing
	}
	defer f.Close()
	if size > maxConfig {
		return
	}
	if b, err := io.ReadAll(f); err == nil {
		_ = json.Unmarshal(b, &m.platform) // a configuration of another form has none
	}
}
