package plain

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode gives a text in UTF-8 and not compressed: Windows PowerShell writes UTF-16, and rotated logs are in gzip's
// format. Every other text it gives as it is.
func Decode(r io.Reader) io.Reader { return &decoder{in: bufio.NewReader(r)} }

type decoder struct {
	in       *bufio.Reader
	out      io.Reader // nil: nothing was read yet
	unpacked bool      // what comes was compressed, and is not unpacked again: that could go on for ever
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.out == nil {
		d.out = d.open()
	}
	return d.out.Read(p)
}

func (d *decoder) open() io.Reader {
	head, _ := d.in.Peek(512) // less where the text is shorter; an error comes again
	switch {
	case !d.unpacked && bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		z, err := gzip.NewReader(d.in)
		if err != nil {
			return broken{err}
		}
		return &decoder{in: bufio.NewReader(z), unpacked: true}
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		order := byteOrder(head[0] == 0xff)
		_, _ = d.in.Discard(2) // they were there
		return &utf16Reader{in: d.in, order: order}
	case wide(head, 1):
		return &utf16Reader{in: d.in, order: byteOrder(true)}
	case wide(head, 0):
		return &utf16Reader{in: d.in, order: byteOrder(false)}
	}
	return d.in
}

func byteOrder(little bool) binary.ByteOrder {
	if little {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// wide reports whether a text without a byte order mark is in UTF-16: nearly every other byte, from the first or second
// on, is zero, and nearly none of the rest.
func wide(head []byte, zeros int) bool {
	var counts [2]int
	for i, c := range head {
		if c == 0 {
			counts[i%2]++
		}
	}
	units := len(head) / 2
	return units > 0 && counts[zeros]*10 >= units*9 && counts[1-zeros]*10 <= units
}

// broken is a text that cannot be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// utf16Reader gives in UTF-8 what is in UTF-16. Halves of characters become U+FFFD.
type utf16Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	ready []byte
	err   error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.ready) == 0 && u.err == nil {
		u.fill()
	}
	n := copy(p, u.ready)
	u.ready = u.ready[n:]
	if len(u.ready) == 0 && n == 0 {
		return 0, u.err
	}
	return n, nil
}

// fill decodes what has arrived, at least one character.
func (u *utf16Reader) fill() {
	u.ready = u.ready[:0]
	for len(u.ready) == 0 || u.in.Buffered() >= 4 && len(u.ready) < 4096 {
		r, ok := u.unit()
		if !ok {
			return
		}
		if utf16.IsSurrogate(r) {
			next, ok := u.unit()
			if !ok {
				u.ready = utf8.AppendRune(u.ready, utf8.RuneError)
				return
			}
			r = utf16.DecodeRune(r, next)
		}
		u.ready = utf8.AppendRune(u.ready, r)
	}
}

func (u *utf16Reader) unit() (rune, bool) {
	var b [2]byte
	if _, u.err = io.ReadFull(u.in, b[:]); u.err != nil {
		if errors.Is(u.err, io.ErrUnexpectedEOF) {
			u.err = io.EOF // half a character
		}
		return 0, false
	}
	return rune(u.order.Uint16(b[:])), true
}
