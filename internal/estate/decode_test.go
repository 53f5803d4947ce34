package estate

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"byte order mark", "\xef\xbb\xbf{\"a\": 1}", ""},
		{"numbers stay as written", `[12345678901234567890.10]`, ""},
		{"brackets in strings do not nest", `["` + strings.Repeat("[{,", 1000) + `\"["]`, ""},
		{"just deep enough", strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), ""},
		{"too deep", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "nested deeper than 100 levels"},
		{"too many values", "[" + strings.Repeat("[],", maxValues/2) + "[]]", "more than 8388608 values"},
		{"cut short", `{"a": `, "not JSON"},
		{"empty", "", "not JSON"},
		{"two values", "{}[]", "something follows"},
	} {
		_, err := decode(strings.NewReader(c.text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	v, err := decodeText([]byte(`[12345678901234567890.10]`))
	if got := v.([]any)[0]; err != nil || got != json.Number("12345678901234567890.10") {
		t.Errorf("%v, %v", got, err)
	}
}

// endless is a text without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestDecodeBoundsSize(t *testing.T) {
	if _, err := decode(endless{}); err == nil || !strings.Contains(err.Error(), "larger than 256 MiB") {
		t.Errorf("error %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cable cut") }

func TestDecodeReportsReadErrors(t *testing.T) {
	if _, err := decode(broken{}); err == nil || err.Error() != "cable cut" {
		t.Errorf("error %v", err)
	}
}

func TestReaders(t *testing.T) {
	v, err := decodeText([]byte(`{"properties": {"Text": "x", "flag": true, "n": 1, "link": "/a/b", "bad": "a/b",
		"list": [{"id": "/a"}, {"id": 1}, 2, {"id": "/b"}], "texts": ["a", 1, "b"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := Resource{Doc: v.(map[string]any)}
	if got := r.Text("properties.text"); got != "x" {
		t.Errorf("text without case: %q", got)
	}
	if r.Text("properties.n") != "" || r.Text("properties.text.deeper") != "" || r.Text("none") != "" || (Resource{}).Text("a.b") != "" {
		t.Error("what is no text is not empty")
	}
	if !r.Flag("properties.flag") || r.Flag("properties.text") {
		t.Error("flags")
	}
	if r.Link("properties.link").String() != "/a/b" || !r.Link("properties.bad").IsZero() || !r.Link("none").IsZero() {
		t.Error("links")
	}
	if got := linksAt(r.Doc, "properties.list", "id"); len(got) != 2 || got[1].String() != "/b" {
		t.Errorf("links of a list: %v", got)
	}
	if got := textsAt(r.Doc, "properties.texts"); strings.Join(got, "") != "ab" {
		t.Errorf("texts of a list: %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a": [1, "b\"", null]}`))
	f.Add([]byte("\xef\xbb\xbf[[[]]]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decodeText(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q decodes to what does not encode: %v", text, err)
		}
		if _, err := decodeText(again); err != nil {
			t.Fatalf("%q: its own rendering %q is refused: %v", text, again, err)
		}
	})
}

// Windows PowerShell redirects what az prints as UTF-16.
func TestDecodeUTF16(t *testing.T) {
	const text = `{"name": "aks-größe-🚢"}`
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		data := order.AppendUint16(nil, 0xfeff)
		for _, u := range utf16.Encode([]rune(text)) {
			data = order.AppendUint16(data, u)
		}
		v, err := decode(bytes.NewReader(data))
		if err != nil || textAt(v, "name") != "aks-größe-🚢" {
			t.Errorf("%v: %v, %v", order, v, err)
		}
		if _, err := decode(bytes.NewReader(data[:len(data)-1])); err == nil {
			t.Errorf("%v: half a character is no JSON", order)
		}
	}
}
