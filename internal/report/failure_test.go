package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"aksid/internal/failure"
)

// TestFailures shows failures in every form, judged with the estate of the check's golden file.
func TestFailures(t *testing.T) {
	a, path := archive(t, "failures")
	exports, _ := archive(t, "freight")
	e := load(t, exports)
	for _, name := range []string{"refused", "network", "federation", "nothing"} {
		var c failure.Collector
		for _, f := range a.Files {
			if f.Name == name+".log" {
				if err := c.Read(bytes.NewReader(f.Data)); err != nil {
					t.Fatal(err)
				}
			}
		}
		failures := c.Failures()
		failure.Judge(e, failures)
		r := NewFailures(failures, "exports", c.Dropped())
		var table, markdown, out strings.Builder
		if err := (Table{}).PrintFailures(&table, r); err != nil {
			t.Fatal(err)
		}
		if err := MarkdownFailures(&markdown, r); err != nil {
			t.Fatal(err)
		}
		if err := JSON(&out, r); err != nil {
			t.Fatal(err)
		}
		golden(t, a, path, "golden/"+name+".txt", table.String())
		golden(t, a, path, "golden/"+name+".md", markdown.String())
		golden(t, a, path, "golden/"+name+".json", out.String())
	}
}

// TestFailureContract: the members that the JSON contract promises are there, lists as lists.
func TestFailureContract(t *testing.T) {
	r := NewFailures(failure.ParseString("AADSTS7000222: The provided client secret keys for app 'a' are expired."), "", 0)
	var out strings.Builder
	if err := JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	var v struct {
		SchemaVersion string
		Failures      []map[string]any
	}
	if err := json.Unmarshal([]byte(out.String()), &v); err != nil {
		t.Fatal(err)
	}
	if v.SchemaVersion != SchemaVersion || len(v.Failures) != 1 {
		t.Fatalf("%+v", v)
	}
	for _, member := range []string{"kind", "code", "client", "actor", "identityRelated", "count", "cause", "source"} {
		if v.Failures[0][member] == nil {
			t.Errorf("no %s", member)
		}
	}
	remedy, _ := v.Failures[0]["remedy"].(map[string]any)
	for name, list := range map[string]any{"actions": v.Failures[0]["actions"], "scopes": v.Failures[0]["scopes"], "linkedScopes": v.Failures[0]["linkedScopes"], "remedy.az": remedy["az"]} {
		if _, ok := list.([]any); !ok {
			t.Errorf("%s is no list", name)
		}
	}
}

// TestHostileFailures: what stands in a text cannot steer the terminal or a page.
func TestHostileFailures(t *testing.T) {
	r := NewFailures(failure.ParseString("The client 'a\u202e`|<script>' with object id 'b' does not have authorization to perform action 'A/read' over scope '/subscriptions/`x`|<b>' or the scope is invalid."), "", 0)
	var table, markdown strings.Builder
	if err := (Table{}).PrintFailures(&table, r); err != nil {
		t.Fatal(err)
	}
	if err := MarkdownFailures(&markdown, r); err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) != 1 || strings.ContainsRune(table.String(), '\u202e') {
		t.Errorf("%q", table.String())
	}
	for line := range strings.Lines(markdown.String()) {
		if strings.HasPrefix(line, "###") && strings.Contains(line, "<script>") {
			t.Errorf("%q", line)
		}
	}
}

func TestCodes(t *testing.T) {
	for name, want := range map[string]string{
		"aadsts7000222":             "The application's client secret has expired",
		"LinkedAuthorizationFailed": "another tenant",
		"kubelet-missing-acrpull":   "rule of check",
		"registry-admin-user":       "CKV",
	} {
		r := NewCodes(name)
		var table, markdown strings.Builder
		if err := (Table{Colour: true}).PrintCodes(&table, r); err != nil {
			t.Fatal(err)
		}
		if err := MarkdownCodes(&markdown, r); err != nil {
			t.Fatal(err)
		}
		for form, out := range map[string]string{"table": table.String(), "markdown": markdown.String()} {
			if !strings.Contains(out, want) {
				t.Errorf("%s %s: %s", name, form, out)
			}
		}
	}
	if r := NewCodes("nothing"); len(r.Codes) != 0 {
		t.Errorf("%+v", r)
	}
}
