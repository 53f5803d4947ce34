package azure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		text string
		want []part
	}{
		{"", []part{{}}},
		{"plain", []part{{"", "plain"}}},
		{"{a}", []part{{}, {"a", ""}}},
		{"x '{a}' y {b}", []part{{"", "x '"}, {"a", "' y "}, {"b", ""}}},
		{`{"error":{"m":"{id} gone"}}`, []part{{"", `{"error":{"m":"`}, {"id", ` gone"}}`}}},
		{"{} {a b} {", []part{{"", "{} {a b} {"}}},
	} {
		if got := split(c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("split(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	m := &Message{403, "C", "The {a} and {b}.", ""}
	if got := m.Format(Fields{"a": "{b}", "c": "x"}); got.Message != "The {b} and {b}." || got.Code != "C" || got.Status != 403 {
		t.Errorf("Format = %+v", got)
	}
	if got := m.Error().Message; got != m.Text {
		t.Errorf("Error = %q", got)
	}
}

// TestMessages: every text of the messages files is in Messages, once, with a status, a code and a source.
func TestMessages(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Messages() {
		if m.Status < 400 || m.Code == "" || m.Source == "" {
			t.Errorf("%+v lacks a status, a code or a source", m)
		}
		if key := m.Code + m.Text; seen[key] || strings.TrimSpace(m.Text) != m.Text {
			t.Errorf("%s: twice, or with spaces around it: %q", m.Code, m.Text)
		} else {
			seen[key] = true
		}
	}
	files, err := filepath.Glob("*messages.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				declared += len(spec.Values)
			}
			return true
		})
	}
	if declared != len(Messages()) {
		t.Errorf("%v declare %d texts, %d of them through message()", files, declared, len(Messages()))
	}
}
