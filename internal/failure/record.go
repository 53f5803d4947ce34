package failure

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"time"
)

// maxRecord bounds what is looked at at once, in bytes. A longer record is taken in pieces.
const maxRecord = 64 << 10

// record is a log line with what belongs to it, a row of events, an element of a JSON list, or a paragraph.
type record struct {
	text   []byte // without what stood before each line
	source string // the container that wrote it, if the text says so
	lines  []mark // where lines with a time begin
}

type mark struct {
	offset int
	time   time.Time
}

// at is the time of the line at an offset of the record's text, or the zero time.
func (r *record) at(offset int) (t time.Time) {
	for _, m := range r.lines {
		if m.offset > offset {
			break
		}
		t = m.time
	}
	return t
}

// records cuts a stream into records.
func records(r io.Reader) iter.Seq2[*record, error] {
	return func(yield func(*record, error) bool) {
		s := splitter{in: bufio.NewReaderSize(r, maxRecord), yield: yield}
		if err := s.run(); err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

var errStopped = errors.New("stopped")

// splitter cuts a stream into records. A record that is given away is valid until the next.
type splitter struct {
	in    *bufio.Reader
	yield func(*record, error) bool
	now   record
	prev  string // the line before that is not blank
}

// run reads documents as long as the stream is JSON, and lines from there on.
func (s *splitter) run() error {
	for {
		switch err := s.document(); {
		case err == nil:
		case errors.Is(err, errNotJSON):
			s.unread()
			return s.readLines()
		case errors.Is(err, io.EOF):
			return s.flush()
		default:
			return err
		}
	}
}

// unread gives back what is in the record.
func (s *splitter) unread() {
	s.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(s.now.text)), s.in), maxRecord)
	s.now.text = s.now.text[:0]
}

func (s *splitter) readLines() error {
	for {
		raw, err := s.in.ReadSlice('\n')
		if len(raw) > 0 {
			if e := s.add(string(raw)); e != nil {
				return e
			}
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return s.flush()
		default:
			return err
		}
	}
}

// add appends a line to the record, or begins the next one with it.
func (s *splitter) add(raw string) error {
	l := readLine(raw, s.prev)
	if strings.TrimSpace(l.text) != "" {
		s.prev = l.text
	}
	if l.starts || len(s.now.text)+len(l.text) >= maxRecord {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if l.source != "" {
		s.now.source = l.source
	}
	if !l.time.IsZero() {
		s.now.lines = append(s.now.lines, mark{len(s.now.text), l.time})
	}
	s.now.text = append(append(s.now.text, l.text...), '\n')
	return nil
}

func (s *splitter) flush() error {
	defer func() { s.now = record{text: s.now.text[:0], lines: s.now.lines[:0]} }()
	if len(s.now.text) > 0 && !s.yield(&s.now, nil) {
		return errStopped
	}
	return nil
}

var errNotJSON = errors.New("not JSON")

// document reads one JSON value. Of a list, and of a list in items or value as ARM and Kubernetes have it, each element
// is a record. Where the text turns out not to be JSON, what was read is in the record.
func (s *splitter) document() error {
	if c, err := s.peek(); err != nil {
		return err
	} else if c != '{' && c != '[' {
		return errNotJSON
	}
	var j jsonState
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return err
		}
		s.now.text = append(s.now.text, c)
		switch done := j.step(c); {
		case j.broken:
			return errNotJSON
		case done || len(s.now.text) >= maxRecord:
			if err := s.flush(); err != nil {
				return err
			}
		}
		if j.depth == 0 {
			return nil
		}
	}
}

// peek is the next byte that is not white space or a comma.
func (s *splitter) peek() (byte, error) {
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if bytes.IndexByte([]byte(" \t\r\n,"), c) < 0 {
			return c, s.in.UnreadByte()
		}
	}
}

// jsonState follows the nesting of a JSON text.
type jsonState struct {
	depth    int
	elements int  // depth of the elements of a list that is taken apart; 0: none so far
	opened   bool // the last was a brace that opens: a key or the end must follow
	inString bool
	escaped  bool
	broken   bool
	last     []byte // the last string, bounded: a key of the outermost object
}

// step takes one byte and reports whether a record ends with it.
func (j *jsonState) step(c byte) (done bool) {
	if j.inString {
		j.string(c)
		return false
	}
	if j.opened && strings.IndexByte(" \t\r\n\"}", c) < 0 {
		j.broken = true
		return false
	}
	j.opened = c == '{' || j.opened && strings.IndexByte(" \t\r\n", c) >= 0
	switch c {
	case '"':
		j.inString, j.last = true, j.last[:0]
	case '{', '[':
		if c == '[' && j.elements == 0 && (j.depth == 0 || j.depth == 1 && listKeys[string(j.last)]) {
			j.elements = j.depth + 1
		}
		j.depth++
	case '}', ']':
		j.depth--
		if c == ']' && j.depth < j.elements {
			j.elements = 0
		}
		done = j.depth == 0 || j.depth == j.elements && j.elements > 0
	default:
		j.broken = strings.IndexByte(" \t\r\n,:+-.0123456789truefalsnE", c) < 0
	}
	return done
}

// string takes a byte inside of a string. A line break cannot stand there: somebody has wrapped the text.
func (j *jsonState) string(c byte) {
	switch {
	case j.escaped:
		j.escaped = false
	case c == '\\':
		j.escaped = true
	case c == '"':
		j.inString = false
	case c == '\n':
		j.broken = true
	case len(j.last) < 16:
		j.last = append(j.last, c)
	}
}

// listKeys are the lists that kubectl, ARM and the diagnostic logs put their elements into.
var listKeys = map[string]bool{"items": true, "value": true, "records": true, "events": true, "failures": true}

// lookup finds the value of a key of an unwrapped JSON, YAML or logfmt text, as in "count": 3, count: 3 or count=3.
func lookup(text, key string) string {
	for at := 0; ; {
		i := strings.Index(text[at:], key)
		if i < 0 {
			return ""
		}
		start := at + i
		at = start + len(key)
		if start > 0 && !strings.ContainsRune(" \t\n\"{,'", rune(text[start-1])) {
			continue
		}
		rest := strings.TrimLeft(strings.TrimPrefix(text[at:], `"`), " ")
		if rest == "" || rest[0] != ':' && rest[0] != '=' {
			continue
		}
		rest = strings.TrimLeft(rest[1:], ` "'`)
		end := strings.IndexAny(rest, "\"',\n}")
		if end < 0 {
			end = len(rest)
		}
		return strings.TrimSpace(rest[:end])
	}
}
