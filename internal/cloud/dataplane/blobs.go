package dataplane

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"

	"aksid/internal/azure"
)

// blobs are the layers and configurations of images, as files:
//
//	images/<content>/sha256/<hex>     a blob of a registry, whole
//	images/<content>/uploads/<id>.<repository's hash>  one on its way
//
// Which repositories have a blob is in the store. mu is held while a blob is linked there or taken away, so that a
// file is never removed while an upload of the same content ends.
type blobs struct {
	dir  string
	mu   sync.Mutex
	busy map[string]bool // uploads that are being written to, by path
}

// openBlobs forgets the uploads that were under way: clients begin them anew.
func openBlobs(dir string) (*blobs, error) {
	b := &blobs{dir: filepath.Join(dir, "images"), busy: map[string]bool{}}
	uploads, err := filepath.Glob(filepath.Join(b.dir, "*", "uploads"))
	for _, u := range uploads {
		err = errors.Join(err, os.RemoveAll(u))
	}
	return b, err
}

func (b *blobs) path(content azure.GUID, d ociregistry.Digest) string {
	return filepath.Join(b.dir, content.String(), "sha256", d.Encoded())
}

// open opens a blob that the store says is there, and says its size in bytes.
func (b *blobs) open(content azure.GUID, d ociregistry.Digest) (*os.File, int64, error) {
	f, err := os.Open(b.path(content, d))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// errUploadUnknown is the answer to an upload id that was never given out for this repository, or is over.
var errUploadUnknown error = ociregistry.ErrBlobUploadUnknown

// start begins an upload.
func (b *blobs) start(content azure.GUID, repo string) (*upload, error) {
	id := azure.NewGUID()
	path := b.uploadPath(content, repo, id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	u := &upload{blobs: b, content: content, id: id, file: f}
	return u, u.lock()
}

// resume goes on with an upload. An offset greater than zero must be where it stands.
func (b *blobs) resume(content azure.GUID, repo, id string, offset int64) (*upload, error) {
	guid, err := azure.ParseGUID(id)
	if err != nil {
		return nil, errUploadUnknown
	}
	f, err := os.OpenFile(b.uploadPath(content, repo, guid), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errUploadUnknown
	}
	if err != nil {
		return nil, err
	}
	u := &upload{blobs: b, content: content, id: guid, file: f}
	if err := u.lock(); err != nil {
		return nil, err
	}
	if u.size, err = f.Seek(0, io.SeekEnd); err == nil && offset > 0 && offset != u.size {
		err = ociregistry.ErrRangeInvalid
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// uploadPath binds an upload to its repository.
func (b *blobs) uploadPath(content azure.GUID, repo string, id azure.GUID) string {
	hash := sha256.Sum256([]byte(repo))
	return filepath.Join(b.dir, content.String(), "uploads", id.String()+"."+hex.EncodeToString(hash[:8]))
}

// upload is a blob on its way. It implements all of ociregistry.BlobWriter but Commit.
type upload struct {
	blobs   *blobs
	content azure.GUID
	id      azure.GUID
	file    *os.File
	size    int64 // bytes that have arrived
	closed  bool
}

// lock refuses a second request that writes to the same upload.
func (u *upload) lock() error {
	u.blobs.mu.Lock()
	defer u.blobs.mu.Unlock()
	if u.blobs.busy[u.file.Name()] {
		u.closed = true
		return errors.Join(ociregistry.ErrBlobUploadInvalid, u.file.Close())
	}
	u.blobs.busy[u.file.Name()] = true
	return nil
}

func (u *upload) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	u.size += int64(n)
	return n, err
}

func (u *upload) Size() int64    { return u.size }
func (u *upload) ChunkSize() int { return 1 } // any chunk is welcome
func (u *upload) ID() string     { return u.id.String() }

// Close leaves the upload as it is, to be resumed.
func (u *upload) Close() error {
	if u.closed {
		return nil
	}
	u.closed = true
	u.blobs.mu.Lock()
	delete(u.blobs.busy, u.file.Name())
	u.blobs.mu.Unlock()
	return u.file.Close()
}

// Cancel forgets the upload.
func (u *upload) Cancel() error {
	err := u.Close()
	if gone := os.Remove(u.file.Name()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// finish makes the upload a blob, durably, if its content has the digest, and calls link, which notes in the store
// who has it.
func (u *upload) finish(want ociregistry.Digest, link func() error) error {
	if err := u.verify(want); err != nil {
		return err
	}
	path := u.blobs.path(u.content, want)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := errors.Join(u.file.Sync(), u.Close()); err != nil {
		return err
	}
	u.blobs.mu.Lock()
	defer u.blobs.mu.Unlock()
	if err := os.Rename(u.file.Name(), path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return link()
}

// verify reads what has arrived from the beginning: an upload can have come in parts, through several requests.
func (u *upload) verify(want ociregistry.Digest) error {
	if want.Algorithm() != digest.SHA256 {
		return ociregistry.ErrDigestInvalid
	}
	got := digest.SHA256.Digester()
	if _, err := io.Copy(got.Hash(), io.NewSectionReader(u.file, 0, u.size)); err != nil {
		return err
	}
	if got.Digest() != want {
		return ociregistry.ErrDigestInvalid
	}
	return nil
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(d.Sync()), d.Close())
}

// ignoreUnsupported is for systems where a folder cannot be synced, and need not be.
func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// remove takes a blob away unless a repository has it again.
func (b *blobs) remove(content azure.GUID, d ociregistry.Digest, linked func() (bool, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept, err := linked()
	if err != nil || kept {
		return err
	}
	if err := os.Remove(b.path(content, d)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// contents are the registries that have files.
func (b *blobs) contents() ([]azure.GUID, error) {
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []azure.GUID
	for _, e := range entries {
		if id, err := azure.ParseGUID(e.Name()); err == nil {
			all = append(all, id)
		}
	}
	return all, err
}

// list are a registry's blobs.
func (b *blobs) list(content azure.GUID) ([]ociregistry.Digest, error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, content.String(), "sha256"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []ociregistry.Digest
	for _, e := range entries {
		if d := digest.NewDigestFromEncoded(digest.SHA256, e.Name()); d.Validate() == nil {
			all = append(all, d)
		}
	}
	return all, err
}

// drop removes all of a registry's files.
func (b *blobs) drop(content azure.GUID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return os.RemoveAll(filepath.Join(b.dir, content.String()))
}
