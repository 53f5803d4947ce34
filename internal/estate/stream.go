package estate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// What was saved of a fleet does not fit into memory as it was decoded: a million role assignments take more than most
// machines have. So it is read document by document, by as many goroutines as there are processors, and what is put together
// is in the order of the file.

// Bounds of a collection that is read so.
const (
	maxDocument  = 64 << 20  // bytes of one document
	maxDocuments = 20 << 20  // in all
	batchBytes   = 512 << 10 // what a goroutine takes at once
)

// streams reports whether a text begins as Save writes a collection.
func streams(r *bufio.Reader) bool {
	head, _ := r.Peek(64)
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) == 0 || head[0] != '{' {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(head[1:], " \t\r\n"), []byte(`"aksidCollection"`))
}

// readCollection reads what Save wrote.
func (in *filesReader) readCollection(ctx context.Context, r io.Reader) error {
	s := &splitter{r: r}
	rest := []byte{'{'}
	err := s.object(func(name string) error {
		switch name {
		case "documents":
			return in.batches(ctx, s, in.parseDocument)
		case "objects":
			return in.batches(ctx, s, in.parseObject)
		case "events":
			return in.batches(ctx, s, in.parseEvent)
		}
		raw, err := s.value(maxText)
		if err != nil {
			return err
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		key, _ := json.Marshal(name)
		rest = append(append(append(rest, key...), ':'), raw...)
		if len(rest) > maxText {
			return fmt.Errorf("more than %d MiB beside the documents", maxText>>20)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return in.restoreRest(append(rest, '}'))
}

// parsed takes what was made of a document into the builder.
type parsed func() error

type batch struct {
	raws  [][]byte
	first int // number of the first document
	out   chan []parsed
}

// batches reads an array: parse runs in several goroutines, what it returns is run in the order of the array.
func (in *filesReader) batches(ctx context.Context, s *splitter, parse func([]byte) parsed) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	jobs, order := make(chan batch, workers), make(chan batch, workers)
	var tasks sync.WaitGroup
	for range workers {
		tasks.Go(func() {
			for b := range jobs {
				done := make([]parsed, len(b.raws))
				for i, raw := range b.raws {
					done[i] = parse(raw)
				}
				b.out <- done
			}
		})
	}
	var failed error
	tasks.Go(func() {
		defer close(order)
		defer close(jobs)
		failed = s.split(func(b batch) bool {
			select {
			case order <- b:
				jobs <- b
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	err := collect(order)
	cancel()
	for range order { // what was under way when it failed
	}
	tasks.Wait()
	return errors.Join(err, failed)
}

func collect(order chan batch) error {
	for b := range order {
		for i, add := range <-b.out {
			if err := add(); err != nil && !errors.Is(err, errMalformed) {
				return fmt.Errorf("document %d: %w", b.first+i, err)
			}
		}
	}
	return nil
}

// savedAssignment is a saved role assignment: nine of ten documents of a fleet are one.
type savedAssignment struct {
	Subscription string
	Document     struct {
		ID         string
		Properties struct{ RoleDefinitionID, PrincipalID, PrincipalType, Scope, Condition, CreatedOn, Description string }
	}
}

// parseDocument reads one saved document.
func (in *filesReader) parseDocument(raw []byte) parsed {
	if in.kept == nil && bytes.Contains(raw, []byte("/roleAssignments/")) {
		var a savedAssignment
		if json.Unmarshal(raw, &a) == nil {
			if g, ok := a.grant(); ok {
				sub := a.Subscription
				if role, err := azure.ParseID(a.Document.Properties.RoleDefinitionID); err == nil && sub == "" {
					sub = role.Subscription()
				}
				return func() error { in.putGrant(g, sub, a.Document.Properties.Description); return nil }
			}
		}
	}
	v, err := decodeText(raw)
	if err != nil {
		return func() error { return err }
	}
	return func() error { return in.add(mapAt(v, "document"), textAt(v, "version"), textAt(v, "subscription")) }
}

// grant is the assignment, if it is a plain one; its scope shares the memory of its id.
func (a *savedAssignment) grant() (rbac.Grant, bool) {
	id, err := azure.ParseID(a.Document.ID)
	p := &a.Document.Properties
	principal, err2 := azure.ParseGUID(p.PrincipalID)
	if err != nil || err2 != nil || !strings.EqualFold(id.Type(), typeAssignment) {
		return rbac.Grant{}, false
	}
	g := rbac.Grant{ID: id, Role: roleID(p.RoleDefinitionID), Principal: principal, PrincipalType: principalTypes[p.PrincipalType], Condition: p.Condition}
	if g.PrincipalType == "" {
		g.PrincipalType = p.PrincipalType
	}
	g.Scope, _, _ = id.Split()
	if p.Scope != "" && !strings.EqualFold(p.Scope, g.Scope.String()) {
		if g.Scope, err = azure.ParseID(p.Scope); err != nil {
			return g, false
		}
	}
	g.CreatedOn, _ = time.Parse(time.RFC3339Nano, p.CreatedOn)
	return g, !g.Role.IsZero() && !g.Principal.IsZero() && !g.Scope.IsZero()
}

// principalTypes are the usual ones, each once in memory.
var principalTypes = map[string]string{"ServicePrincipal": "ServicePrincipal", "User": "User", "Group": "Group"}

func (in *filesReader) parseObject(raw []byte) parsed {
	v, err := decodeText(raw)
	if err != nil {
		return func() error { return err }
	}
	return func() error {
		if doc, ok := v.(map[string]any); ok {
			in.addObject(doc, "")
		}
		return nil
	}
}

func (in *filesReader) parseEvent(raw []byte) parsed {
	v, err := decodeText(raw)
	return func() error {
		if err == nil {
			in.addEvent(mapAt(v, ""))
		}
		return err
	}
}

// splitter finds the values of a JSON text without building them.
type splitter struct {
	r        io.Reader
	buf      []byte
	at, end  int // what of buf is not used yet
	finished bool
}

var errCut = errors.New("not JSON: it ends in the middle")

// fill reads more behind what is in the buffer; keep is where what must stay begins.
func (s *splitter) fill(keep int) (moved int, err error) {
	if s.finished {
		return 0, errCut
	}
	if keep > 0 {
		copy(s.buf, s.buf[keep:s.end])
		s.at, s.end, moved = s.at-keep, s.end-keep, keep
	}
	if s.end == len(s.buf) {
		grown := make([]byte, max(2*len(s.buf), 1<<20))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	switch {
	case errors.Is(err, io.EOF):
		s.finished = true
		if n == 0 {
			return moved, errCut
		}
	case err != nil:
		return moved, err
	}
	return moved, nil
}

// next is the next byte that is no white space. It is not used up.
func (s *splitter) next() (byte, error) {
	for {
		for s.at < s.end {
			if c := s.buf[s.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				return c, nil
			}
			s.at++
		}
		if _, err := s.fill(s.at); err != nil {
			return 0, err
		}
	}
}

func (s *splitter) expect(want byte) error {
	c, err := s.next()
	if err == nil && c != want {
		err = fmt.Errorf("not JSON: %q where %q was expected", c, want)
	}
	s.at++
	return err
}

// object calls member for each member of an object, which must take the value, and expects the text to end then.
func (s *splitter) object(member func(name string) error) error {
	if head, err := s.next(); err == nil && head == 0xef { // a byte order mark
		for _, c := range []byte("\xef\xbb\xbf") {
			if err := s.expect(c); err != nil {
				return err
			}
		}
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == '}':
			s.at++
			if _, err := s.next(); !errors.Is(err, errCut) {
				return errors.Join(errors.New("not JSON: something follows the value"), err)
			}
			return nil
		case !first:
			if err := s.expect(','); err != nil {
				return err
			}
		}
		raw, err := s.value(maxDocument)
		if err != nil {
			return err
		}
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if err := errors.Join(s.expect(':'), member(name)); err != nil {
			return err
		}
	}
}

// split takes an array, a batch of elements at a time, until do is false.
func (s *splitter) split(do func(batch) bool) error {
	if c, err := s.next(); err == nil && c == 'n' { // null
		_, err = s.value(maxDocument)
		return err
	}
	if err := s.expect('['); err != nil {
		return err
	}
	b, size, n := batch{out: make(chan []parsed, 1)}, 0, 0
	for {
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == ']':
			s.at++
			if len(b.raws) > 0 {
				do(b)
			}
			return nil
		case n > 0:
			if err := s.expect(','); err != nil {
				return err
			}
		}
		raw, err := s.value(maxDocument)
		if err != nil {
			return err
		}
		if n++; n > maxDocuments {
			return fmt.Errorf("more than %d documents", maxDocuments)
		}
		b.raws, size = append(b.raws, bytes.Clone(raw)), size+len(raw)
		if size > batchBytes {
			if !do(b) {
				return nil
			}
			b, size = batch{out: make(chan []parsed, 1), first: n}, 0
		}
	}
}

// value is the text of the next value; it holds until more is read.
func (s *splitter) value(most int) ([]byte, error) {
	if _, err := s.next(); err != nil {
		return nil, err
	}
	depth, start, i := 0, s.at, s.at
	more := func() error { // moves what was read of the value to the front
		moved, err := s.fill(start)
		start, i = start-moved, i-moved
		if i-start > most {
			return fmt.Errorf("a value of more than %d MiB", most>>20)
		}
		return err
	}
	for {
		if i == s.end {
			if err := more(); err != nil {
				return nil, err
			}
			continue
		}
		switch c := s.buf[i]; c {
		case '"':
			for i++; ; {
				j := bytes.IndexAny(s.buf[i:s.end], `"\`)
				if j < 0 {
					i = s.end
				} else if i += j; s.buf[i] == '"' {
					i++
					break
				} else {
					i += 2
				}
				for i >= s.end {
					if err := more(); err != nil {
						return nil, err
					}
				}
			}
		case '{', '[':
			depth++
			i++
		case '}', ']', ',', ':':
			if depth == 0 { // the end of a number or a word, which is not part of it
				s.at = i
				return s.buf[start:i], nil
			}
			if i++; c == '}' || c == ']' {
				depth--
			}
		default:
			i++
			if depth == 0 && (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
				s.at = i
				return s.buf[start : i-1], nil
			}
			continue
		}
		if depth == 0 {
			s.at = i
			return s.buf[start:i], nil
		}
		if depth > maxDepth {
			return nil, fmt.Errorf("JSON is nested deeper than %d levels", maxDepth)
		}
	}
}
