package failure

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestOthers reads texts that are not among the samples.
func TestOthers(t *testing.T) {
	data, err := os.ReadFile("testdata/others.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(data).Files {
		t.Run(f.Name, func(t *testing.T) {
			want, text, ok := strings.Cut(string(f.Data), "\n---\n")
			failures := ParseString(text)
			if !ok || len(failures) == 0 {
				t.Fatal("nothing was found")
			}
			compare(t, failures[0], want)
		})
	}
}

func compare(t *testing.T, f Failure, want string) {
	t.Helper()
	got := map[string]string{"kind": string(f.Kind), "code": f.Code, "client": f.Client, "oid": f.ObjectID, "actor": string(f.Actor),
		"actions": strings.Join(f.Actions, " "), "scopes": strings.Join(f.Scopes, " "), "linked": strings.Join(f.LinkedScopes, " ")}
	for line := range strings.Lines(want) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if g, known := got[key]; !known || g != value && !(key == "actor" && slices.Contains(f.ActorAlt, Actor(value))) {
			t.Errorf("%s = %q, want %q", key, g, value)
		}
	}
}
