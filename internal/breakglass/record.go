package breakglass

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"aksid/internal/azure"
	"aksid/internal/plain"
)

// Bounds of a record: what is above is refused before it is decoded.
const (
	MaxRecord = 64 << 20 // bytes
	maxLine   = 256 << 10
)

// Problem is a line of a record that does not fit.
type Problem struct {
	Line int
	What string
}

func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.What) }

// Damaged says that a record is not as it was written.
type Damaged struct {
	Path     string
	Problems []Problem
}

func (d *Damaged) Error() string {
	more := ""
	if n := len(d.Problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("%s is not as it was written: %s%s; compare it with a copy, as in an evidence bundle or in git", d.Path, d.Problems[0], more)
}

// Record is what a file holds.
type Record struct {
	Entries  []Entry // those that can be read
	Problems []Problem
	Head     string // SHA-256 of the last line, in hex
	Text     []byte // the lines as they are
	size     int64  // bytes of whole lines
	torn     int    // bytes behind them: a write that was interrupted
}

// Read reads a record and compares every line with the one before it.
func Read(r io.Reader) (*Record, error) {
	text, err := plain.Read(r, MaxRecord)
	if err != nil {
		return nil, err
	}
	rec := &Record{Text: text}
	rest := text
	for n := 1; len(rest) > 0; n++ {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole {
			rec.torn = len(line)
			break
		}
		rec.take(n, bytes.TrimSuffix(line, []byte{'\r'}))
		rest = after
		rec.size += int64(len(line)) + 1
	}
	return rec, nil
}

// take reads one line, without its end: git and editors may write that differently.
func (rec *Record) take(n int, line []byte) {
	bad := func(format string, args ...any) {
		rec.Problems = append(rec.Problems, Problem{n, fmt.Sprintf(format, args...)})
	}
	head := rec.Head
	rec.Head = digest(line)
	var e Entry
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	switch err := d.Decode(&e); {
	case len(line) > maxLine:
		bad("it is longer than %d KiB", maxLine>>10)
		return
	case err != nil || d.More():
		bad("it is no entry of a break-glass record")
		return
	}
	if !isSealed(line, e.Sum) {
		bad("it was changed after it was written")
	}
	last := 0
	if len(rec.Entries) > 0 {
		last = rec.Entries[len(rec.Entries)-1].Number
	}
	switch {
	case e.Number == last && last > 0:
		bad("it has number %d, as the line before: two have written at once, or one was copied", e.Number)
	case e.Number != last+1:
		bad("it has number %d where %d was expected: lines were taken out or put in", e.Number, last+1)
	case e.Previous != head:
		bad("it does not follow from the line before, which was changed or replaced after this one was written")
	}
	rec.Entries = append(rec.Entries, e)
}

// sealed is an entry as a line that ends with the digest of the rest: so the last line, which none follows, is checked as well.
func sealed(e Entry) ([]byte, error) {
	e.Sum = ""
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(bytes.TrimSuffix(text, []byte{'}'}), sealFormat, digest(text)), nil
}

const sealFormat = `,"sum":"%s"}`

// isSealed reports whether a line ends with the digest of the rest.
func isSealed(line []byte, sum string) bool {
	rest, ok := bytes.CutSuffix(line, fmt.Appendf(nil, sealFormat, sum))
	return ok && digest(append(bytes.Clone(rest), '}')) == sum
}

func digest(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// File is a record in a file that several write: on a share, or in a working tree.
type File struct {
	Path string
	Wait time.Duration // how long to wait for another writer; zero: ten seconds
}

// Read reads the file; one that is not there is empty. It is a *Damaged if it does not fit.
func (f File) Read() (*Record, error) {
	rec, err := f.read()
	if err == nil && len(rec.Problems) > 0 {
		err = &Damaged{f.Path, rec.Problems}
	}
	return rec, err
}

func (f File) read() (*Record, error) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Record{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no plain file", f.Path), err)
	}
	rec, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return rec, nil
}

// Append adds an entry: make gets what the record says at that moment, under the lock, and refuses by an error. The rest of a
// write that was interrupted is dropped: nothing was done yet when it was made, as Azure is changed after it.
func (f File) Append(ctx context.Context, make func(*Record) (Entry, error)) (Entry, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	rec, err := f.Read()
	if err != nil {
		return Entry{}, err
	}
	e, err := make(rec)
	if err != nil {
		return e, err
	}
	e.Number, e.Previous, e.At = len(rec.Entries)+1, rec.Head, e.At.UTC().Truncate(time.Second)
	line, err := sealed(e)
	if err != nil {
		return e, err
	}
	if len(line) > maxLine {
		return e, fmt.Errorf("an entry of more than %d KiB does not go into the record", maxLine>>10)
	}
	return e, f.write(rec, append(line, '\n'))
}

func (f File) write(rec *Record, line []byte) error {
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE, 0o666) // others write it as well
	if err != nil {
		return err
	}
	err = errors.Join(file.Truncate(rec.size), writeAt(file, line, rec.size), file.Sync())
	return errors.Join(err, file.Close())
}

func writeAt(file *os.File, line []byte, at int64) error {
	_, err := file.WriteAt(line, at)
	return err
}

// lock makes the lock file: it works on shares, where locks of the operating system may not.
func (f File) lock(ctx context.Context) (unlock func(), err error) {
	path, wait := f.Path+".lock", f.Wait
	if wait == 0 {
		wait = 10 * time.Second
	}
	mine := fmt.Sprintf("process %d %s\n", os.Getpid(), azure.NewGUID())
	for end := time.Now().Add(wait); ; {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			if _, err = file.WriteString(mine); errors.Join(err, file.Close()) != nil {
				os.Remove(path)
				return nil, err
			}
			return func() { os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if time.Now().After(end) {
			held, _ := os.ReadFile(path)
			return nil, fmt.Errorf("another run writes the record since more than %s: %s says %q; if that run is no more, remove the file", wait, path, bytes.TrimSpace(held))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
