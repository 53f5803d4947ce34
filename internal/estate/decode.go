package estate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"aksid/internal/plain"
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
func readText(r io.Reader) ([]byte, error) { return plain.Read(plain.Decode(r), maxText) }

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
