package watch

import (
	"aksid/internal/plain"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stateVersion is the version of the form of a state file. Another one is refused.
const stateVersion = 1

// maxState bounds a state file, in bytes.
const maxState = 256 << 20

// state is what a watcher knows from one start to the next. It is written whole, before and after what it tells of is
// printed, so that whatever happens in between is known at the next start.
type state struct {
	Version int                  `json:"version"`
	Of      string               `json:"of"`   // what is watched: a cloud, or the local Azure's tenant
	Logs    map[string]position  `json:"logs"` // by lower-cased subscription
	Told    map[string]time.Time `json:"told"` // events that were told of, as long as their log may show them again
	Scene   *scene               `json:"scene,omitempty"`
	Open    *batch               `json:"open,omitempty"`  // may have been printed, or a part of it
	Queue   []Notice             `json:"queue,omitempty"` // for the webhook, the oldest first
}

// position is how far a subscription's activity log was read.
type position struct {
	Begun  time.Time `json:"begun"`           // by this machine's clock
	Newest time.Time `json:"newest,omitzero"` // event that was read, by Azure's clock
	Read   time.Time `json:"read"`            // the last time, by this machine's clock
}

// batch are notices on their way to the output.
type batch struct {
	Offset  int64    `json:"offset"` // of the file that they are appended to
	Notices []Notice `json:"notices"`
}

// envelope is a state in its file. The sum is that of the state's text: a file that somebody edited, or that a disk has
// damaged, is not taken for the truth.
type envelope struct {
	Format string          `json:"format"`
	SHA256 string          `json:"sha256"`
	State  json.RawMessage `json:"state"`
}

const stateFormat = "aksid watch state"

// store keeps a state.
type store interface {
	load() (*state, error) // nil, if there is none yet
	save(*state) error
}

// memory keeps a state as long as the process lives.
type memory struct{}

func (memory) load() (*state, error) { return nil, nil }
func (memory) save(*state) error     { return nil }

// file keeps a state in a file that its owner alone can read.
type file struct{ path string }

func (f file) load() (*state, error) {
	text, err := plain.ReadFile(f.path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the state file %s cannot be read: %w", f.path, err)
	}
	s, err := decodeState(text)
	if err != nil {
		return nil, fmt.Errorf("the state file %s %w; move it away to begin anew, with --since for what was missed", f.path, err)
	}
	return s, nil
}

func decodeState(text []byte) (*state, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil || e.Format != stateFormat {
		return nil, errors.New("is no state of aksid watch, or only a part of one")
	}
	var s state
	switch err := json.Unmarshal(e.State, &s); {
	case err != nil:
		return nil, errors.New("is damaged")
	case s.Version != stateVersion:
		return nil, fmt.Errorf("has version %d, and this aksid knows version %d", s.Version, stateVersion)
	case sum(e.State) != e.SHA256:
		return nil, errors.New("is not as aksid wrote it: its SHA-256 does not fit")
	}
	return &s, nil
}

func sum(state json.RawMessage) string {
	var flat bytes.Buffer
	if json.Compact(&flat, state) != nil {
		return ""
	}
	digest := sha256.Sum256(flat.Bytes())
	return hex.EncodeToString(digest[:])
}

// save replaces the file: a crash leaves the old state or the new one.
func (f file) save(s *state) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	text, err := json.Marshal(envelope{stateFormat, sum(body), body})
	if err != nil {
		return err
	}
	if err := replace(f.path, text); err != nil {
		return fmt.Errorf("the state file %s cannot be written: %w", f.path, err)
	}
	return nil
}

func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".aksid-watch-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
