package plain

import (
	"strings"
	"testing"
	"unicode"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"snet-aks (rg-hub)":     "snet-aks (rg-hub)",
		"Zürich, 東京, 👩‍💻":       "Zürich, 東京, 👩‍💻",
		"a\nb\tc\rd":            "a�b�c�d",
		"\x1b[31mred\x1b[0m":    "�[31mred�[0m",
		"\u009b31m\x7f":         "�31m�",
		"a\u202eb\u2066c\u2069": "a�b�c�",
		"a\u2028b\u2029":        "a�b�",
		"bad \xff utf-8":        "bad � utf-8",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b]0;b\a\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if strings.ContainsFunc(got, unicode.IsControl) || Text(got) != got {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
