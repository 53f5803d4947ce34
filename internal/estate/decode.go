package estate

import (
	"aksid/internal/plain"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of one JSON text: what Azure and az write is far below, what is above is refused before it is decoded.
const (
	maxText   = 256 << 20 // bytes
	maxDepth  = 100       // nested objects and arrays
	maxValues = 8 << 20   // objects, arrays, members and elements
)

// decode reads one JSON value. Numbers stay as written (json.Number); a byte order mark, which az writes, is skipped.
func decode(r io.Reader) (any, error) {
	text, err := readText(r)
	if err != nil {
		return nil, err
	}
	return decodeText(text)
}

// readText reads a text of bounded length.
func readText(r io.Reader) ([]byte, error) {
	text, err := plain.Read(r, maxText)
	return fromUTF16(text), err
}

// fromUTF16 is a text in UTF-8: Windows PowerShell writes what az prints as UTF-16, with a byte order mark. Without one it is known by
// what JSON begins with.
func fromUTF16(text []byte) []byte {
	var order binary.ByteOrder
	start := 2
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
	case bytes.HasPrefix(text, []byte("[\x00")), bytes.HasPrefix(text, []byte("{\x00")):
		order, start = binary.LittleEndian, 0
	case bytes.HasPrefix(text, []byte("\x00[")), bytes.HasPrefix(text, []byte("\x00{")):
		order, start = binary.BigEndian, 0
	default:
		return text
	}
	out := make([]byte, 0, len(text)/2)
	for i := start; i+1 < len(text); i += 2 {
		r := rune(order.Uint16(text[i:]))
		if utf16.IsSurrogate(r) && i+3 < len(text) {
			i += 2
			r = utf16.DecodeRune(r, rune(order.Uint16(text[i:])))
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func decodeText(text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if err := checkShape(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the value")
	}
	return v, nil
}

// checkShape bounds depth and number of values without building them.
func checkShape(text []byte) error {
	depth, values, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth, values = depth+1, values+1
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxDepth {
			return fmt.Errorf("JSON is nested deeper than %d levels", maxDepth)
		}
		if values > maxValues {
			return fmt.Errorf("JSON has more than %d values", maxValues)
		}
	}
	return nil
}
