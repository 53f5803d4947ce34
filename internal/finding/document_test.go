package finding

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../../docs/findings.md"

// docs/findings.md is what the rules say of themselves.
func TestDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# What aksid check finds

Generated from internal/finding; do not edit. An error is something that fails, now or at the next change; a warning is a risk or
a waste; a note is good to know. One cause is one finding: what a rule explains is not found again by those below it.
Each rule has a fixture, internal/finding/testdata/<rule>.txtar, with an estate in which it fires and one in which it does not.
`)
	for _, r := range Rules() {
		fmt.Fprintf(&b, "\n## %s\n\n%s (%s). %s\n\nSource: %s\n", r.ID, r.Title, r.Severity, sentence(r.Why), r.Source)
		for i, x := range r.Relatives() {
			fmt.Fprintf(&b, "%s%s %s", map[bool]string{true: "\nRelated: ", false: ", "}[i == 0], x.Catalogue, x.ID)
		}
		if len(r.Relatives()) > 0 {
			b.WriteString("\n")
		}
	}
	got := b.String()
	if *update {
		if err := os.WriteFile(document, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the rules say; write it anew with: go test ./internal/finding -run Document -update", document)
	}
}

// sentence makes a sentence of what a requirement says in passing.
func sentence(s string) string {
	s = strings.ReplaceAll(strings.ToUpper(s[:1])+s[1:], "{target}", "it")
	return strings.TrimSuffix(s, ".") + "."
}
