package plain

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"
)

func utf16Text(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDecode(t *testing.T) {
	const text = "2026-01-02 ERROR: Zürich, 東京, 👩 is refused\r\nand more"
	long := strings.Repeat(text, 1000)
	for name, c := range map[string]struct{ in, want string }{
		"empty":                        {"", ""},
		"utf-8":                        {text, text},
		"utf-8 with a mark":            {"\ufeff" + text, "\ufeff" + text},
		"not a text":                   {"a\xffb\x00c", "a\xffb\x00c"},
		"little end":                   {"\xff\xfe" + utf16Text(binary.LittleEndian, text), text},
		"big end":                      {"\xfe\xff" + utf16Text(binary.BigEndian, text), text},
		"long":                         {"\xff\xfe" + utf16Text(binary.LittleEndian, long), long},
		"little end without a mark":    {utf16Text(binary.LittleEndian, "plain words of a log"), "plain words of a log"},
		"big end without a mark":       {utf16Text(binary.BigEndian, "plain words of a log"), "plain words of a log"},
		"half a character":             {"\xff\xfe" + utf16Text(binary.LittleEndian, "ab") + "c", "ab"},
		"half a pair":                  {"\xff\xfea\x00\x3d\xd8", "a\uFFFD"},
		"only a mark":                  {"\xff\xfe", ""},
		"compressed":                   {zipped(t, text), text},
		"utf-16 compressed":            {zipped(t, "\xff\xfe"+utf16Text(binary.LittleEndian, text)), text},
		"compressed twice stays so":    {zipped(t, zipped(t, text)), zipped(t, text)},
		"what only begins like a gzip": {"\x1f\x8b", "\x1f\x8b"},
	} {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
			got, err := io.ReadAll(Decode(r))
			if string(got) != c.want || err != nil {
				t.Errorf("%s, %s: %.80q, %v; want %.80q", name, how, got, err, c.want)
			}
		}
	}
}

func TestDecodeTellsErrors(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"damaged": strings.NewReader("\x1f\x8b\x08 and no more than this"),
		"cut":     strings.NewReader(zipped(t, strings.Repeat("a long text", 100))[:30]),
		"broken":  iotest.ErrReader(io.ErrClosedPipe),
		"later":   io.MultiReader(strings.NewReader("\xff\xfea\x00"), iotest.ErrReader(io.ErrClosedPipe)),
	} {
		if _, err := io.ReadAll(Decode(in)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("\xff\xfea\x00")
	f.Add("\x1f\x8b\x08")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := io.ReadAll(io.LimitReader(Decode(strings.NewReader(s)), 1<<20))
		if err == nil && (strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff")) && !utf8.Valid(got) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
