package dataplane

import (
	"context"
	"errors"
	"strings"

	"aksid/internal/cloud/store"
)

// contentRef is the index entry of the resource whose data is kept under a content id.
func contentRef(content string) string { return "content:" + content }

// kinds are all kinds of documents that the services keep under content ids.
var kinds = []string{kindRepository, kindManifest, kindTag, kindBlob, kindSecret, kindSecretVersion, kindKey, kindKeyVersion, kindMessage}

// sweepAlways removes what removed resources have left, at the start and whenever resources were removed. What an
// interrupted push has left is looked for at the start alone: it takes a look at every file.
func (s *Service) sweepAlways(ctx context.Context) {
	s.told(ctx, s.sweep(ctx))
	s.told(ctx, s.sweepBlobs(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Removed:
		case <-s.cleared:
		}
		s.told(ctx, s.sweep(ctx))
	}
}

func (s *Service) told(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.Log.Error("the data of removed resources is still there", "error", err)
	}
}

// sweep removes the documents and files of content that no resource has.
func (s *Service) sweep(ctx context.Context) error {
	var all error
	for _, kind := range kinds {
		all = errors.Join(all, s.sweepKind(ctx, kind))
	}
	contents, err := s.blobs.contents()
	all = errors.Join(all, err)
	for _, content := range contents {
		owned, err := s.owned(ctx, content.String())
		if err == nil && !owned {
			err = s.blobs.drop(content)
		}
		all = errors.Join(all, err)
	}
	return all
}

// sweepBlobs removes the files of blobs that no repository has.
func (s *Service) sweepBlobs(ctx context.Context) error {
	contents, all := s.blobs.contents()
	for _, content := range contents {
		digests, err := s.blobs.list(content)
		i := &images{Service: s, content: content}
		all = errors.Join(all, err, i.free(ctx, digests))
	}
	return all
}

// sweepKind hops from one content id to the next.
func (s *Service) sweepKind(ctx context.Context, kind string) error {
	for after := ""; ; {
		content, err := s.nextContent(ctx, kind, after)
		if err != nil || content == "" {
			return err
		}
		after = content + "0" // the character behind the slash
		owned, err := s.owned(ctx, content)
		if err != nil {
			return err
		}
		if !owned {
			if err := s.dropAll(ctx, kind, content+"/"); err != nil {
				return err
			}
		}
	}
}

// nextContent is the first content id of documents of a kind behind a key; "" where there are no more.
func (s *Service) nextContent(ctx context.Context, kind, after string) (content string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		for d, err := range tx.Scan(kind, "", after) {
			content, _, _ = strings.Cut(d.Key, "/")
			return err
		}
		return nil
	})
	return content, err
}

// owned reports whether a resource has a content id.
func (s *Service) owned(ctx context.Context, content string) (owned bool, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) (err error) {
		owned, err = exists(tx.Find(contentRef(content)))
		return err
	})
	return owned, err
}

// sweepBatch is how many documents one transaction removes: others must not wait long.
const sweepBatch = 500

func (s *Service) dropAll(ctx context.Context, kind, prefix string) error {
	for more := true; more; {
		err := s.Store.Update(ctx, func(tx store.Tx) error {
			n := 0
			more = false
			for d, err := range tx.Scan(kind, prefix, "") {
				if err != nil {
					return err
				}
				if n++; n > sweepBatch {
					more = true
					return nil
				}
				if err := tx.Delete(d.Kind, d.Key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
