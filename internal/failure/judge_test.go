package failure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"aksid/internal/estate"
)

// TestJudge: failures before an estate.
func TestJudge(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/judge.txtar")
	if err != nil {
		t.Fatal(err)
	}
	e := loadEstate(t, archive)
	for _, file := range archive.Files {
		name, isCase := strings.CutPrefix(file.Name, "case/")
		if !isCase {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want, text, _ := strings.Cut(string(file.Data), "\n---\n")
			failures := ParseString(text)
			if len(failures) != 1 {
				t.Fatalf("%d failures", len(failures))
			}
			Judge(e, failures)
			got := verdictLines(failures[0])
			for line := range strings.Lines(want) {
				if !slices.Contains(got, strings.TrimSpace(line)) {
					t.Errorf("lacks %q\nin %s", strings.TrimSpace(line), strings.Join(got, "\n   "))
				}
			}
			for _, line := range got { // no further grant or near miss
				if key, _, _ := strings.Cut(line, ":"); (key == "grant" || key == "miss") && strings.Contains(want, "grant:") && !strings.Contains(want+"\n", line+"\n") {
					t.Errorf("has %q", line)
				}
			}
		})
	}
}

func loadEstate(t *testing.T, archive *txtar.Archive) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".json") {
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, err := estate.Files{Path: dir}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// verdictLines is what was found out, a line each.
func verdictLines(f Failure) []string {
	out := []string{"actor: " + string(f.Actor), "advice: " + f.Remedy.Advice, "cause: " + f.Cause}
	if id := f.Identity; id != nil {
		out = append(out, fmt.Sprintf("identity: %s %s %s", id.Role, id.Name, id.Cluster.Name()))
	}
	if f.Verdict == nil {
		return append(out, "state: none")
	}
	out = append(out, "state: "+string(f.Verdict.State), "reason: "+f.Verdict.Reason, "breaks: "+f.Breaks)
	for _, m := range f.Verdict.NearMisses {
		out = append(out, "miss: "+m)
	}
	if on := f.Verdict.GrantedOn; on != nil {
		out = append(out, "granted: "+on.UTC().Format(time.RFC3339))
	}
	for _, c := range f.Remedy.Changes {
		a := c.(estate.Assign)
		line := fmt.Sprintf("grant: %s to %s at %s", a.Role, a.Principal, a.Scope)
		if a.PrincipalType != "ServicePrincipal" {
			line += " as " + a.PrincipalType
		}
		out = append(out, line)
	}
	return out
}
