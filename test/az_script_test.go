package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAzScripts runs testdata/az/*.txt: az commands, one a line. What stands behind "=>" is what the command prints, with
// spaces for line breaks; of a command behind "!", which must fail, it is a part of the error.
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
			s := script{azCloud: c, words: map[string]string{}}
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
	words map[string]string // what $(name) stands for, once it was asked for
}

// lookups are the commands that the words of scripts stand for.
var lookups = map[string]string{
	"acr": "acr show -n netscriptacr --query id -o tsv",
	"set": "vmss list -g rg-nodes --query [0].name -o tsv",

	"workspace-monitor": "monitor log-analytics workspace show -g rg-monitor -n logs --query id -o tsv",
	"people-monitor":    "monitor action-group show -g rg-monitor -n people --query id -o tsv",

	"id-move":   "identity show -g rg-move -n id-move --query id -o tsv",
	"rt-move":   "network route-table show -g rg-move -n rt --query id -o tsv",
	"vnet-move": "network vnet show -g rg-move -n spoke --query id -o tsv",
}

func (s *script) run(t *testing.T, line string) {
	t.Helper()
	command, want, compare := strings.Cut(line, " =>")
	command, fails := strings.CutPrefix(command, "! ")
	for name, lookup := range lookups {
		if !strings.Contains(command, "$("+name+")") {
			continue
		}
		if s.words[name] == "" {
			s.words[name] = s.ok(t, fields(lookup)...)
		}
		command = strings.ReplaceAll(command, "$("+name+")", s.words[name])
	}
	r := s.az(t, "", fields(command)...)
	got := strings.Join(strings.Fields(r.stdout), " ")
	switch want = strings.TrimSpace(want); {
	case fails && (r.code == 0 || !strings.Contains(r.stderr, want)):
		t.Errorf("az %s: exit code %d, want an error with %q:\n%s", command, r.code, want, r.stderr)
	case !fails && r.code != 0:
		t.Fatalf("az %s: exit code %d\n%s", command, r.code, r.stderr)
	case !fails && compare && got != want:
		t.Errorf("az %s: got %q, want %q", command, got, want)
	}
}

// fields splits a command at spaces outside of double quotes.
func fields(command string) []string {
	var out []string
	for i, part := range strings.Split(command, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}
