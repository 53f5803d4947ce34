package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAzScripts runs testdata/az/*.txt: az commands, one a line. What stands behind "=>" is what the command prints, with
// spaces for line breaks; of a command behind "!", which must fail, it is a part of the error. "as PRINCIPAL: COMMAND" runs it
// as somebody else, and "NAME := COMMAND" lets $(NAME) stand for what it prints.
func TestAzScripts(t *testing.T) {
	c := newAz(t)
	scripts, err := filepath.Glob(filepath.Join(here(), "testdata", "az", "*.txt"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := script{azCloud: c, words: map[string]string{"sub": c.sub}}
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					s.run(t, line)
				}
			}
		})
	}
}

// script is one run of a file of commands.
type script struct {
	*azCloud
	words map[string]string // what $(name) stands for
}

var (
	assigned = regexp.MustCompile(`^([a-z][a-z0-9-]*) := `)
	somebody = regexp.MustCompile(`^as (\S+): `)
	word     = regexp.MustCompile(`\$\([a-z][a-z0-9-]*\)`)
)

// cut takes what a pattern finds at the beginning of a line, and its first group.
func cut(line string, at *regexp.Regexp) (rest, group string) {
	m := at.FindStringSubmatch(line)
	if m == nil {
		return line, ""
	}
	return line[len(m[0]):], m[1]
}

func (s *script) run(t *testing.T, line string) {
	t.Helper()
	line = word.ReplaceAllStringFunc(line, func(w string) string {
		value, ok := s.words[w[2:len(w)-1]]
		if !ok {
			t.Fatalf("%s stands for nothing yet", w)
		}
		return value
	})
	command, want, compare := strings.Cut(line, " =>")
	command, name := cut(command, assigned)
	command, fails := strings.CutPrefix(command, "! ")
	command, as := cut(command, somebody)
	r := s.az(t, as, fields(command)...)
	got := strings.Join(strings.Fields(r.stdout), " ")
	switch want = strings.TrimSpace(want); {
	case fails && (r.code == 0 || !strings.Contains(r.stderr, want)):
		t.Errorf("az %s: exit code %d, want an error with %q:\n%s", command, r.code, want, r.stderr)
	case !fails && r.code != 0:
		t.Fatalf("az %s: exit code %d\n%s", command, r.code, r.stderr)
	case !fails && compare && got != want:
		t.Errorf("az %s: got %q, want %q", command, got, want)
	}
	if name != "" {
		s.words[name] = got
	}
}

// fields splits a command at spaces outside of quotes, as a shell does.
func fields(command string) []string {
	var out []string
	var quote rune
	open := false // a field
	for _, r := range command {
		switch {
		case quote == 0 && r == ' ':
			open = false
			continue
		case !open:
			out, open = append(out, ""), true
		}
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		default:
			out[len(out)-1] += string(r)
		}
	}
	return out
}
