package cli

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", width+10)
	for _, test := range []struct{ text, want string }{
		{"", "- \n"},
		{"one two", "- one two\n"},
		{"  one\n\ttwo ", "- one two\n"},
		{"a " + long + " b", "- a\n  " + long + "\n  b\n"},
		{strings.Repeat("w ", 60), "- " + strings.TrimSpace(strings.Repeat("w ", 54)) + "\n  w w w w w w\n"},
		{strings.Repeat("…", 100) + " " + strings.Repeat("y", 7), "- " + strings.Repeat("…", 100) + " yyyyyyy\n"},
		{strings.Repeat("…", 100) + " " + strings.Repeat("y", 8), "- " + strings.Repeat("…", 100) + "\n  yyyyyyyy\n"},
	} {
		got := wrap("- ", test.text)
		if got != test.want {
			t.Errorf("wrap(%q) =\n%q, want\n%q", test.text, got, test.want)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(line) - 1; n > width && !strings.Contains(line, long) {
				t.Errorf("a line of %d characters: %q", n, line)
			}
		}
	}
}

func TestIndenter(t *testing.T) {
	var b strings.Builder
	w := &indenter{to: &b, indent: "> "}
	for _, part := range []string{"a", "b\n", "\nc\nd", "", "\n"} {
		if n, err := io.WriteString(w, part); n != len(part) || err != nil {
			t.Errorf("wrote %d of %q: %v", n, part, err)
		}
	}
	if want := "> ab\n> \n> c\n> d\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
