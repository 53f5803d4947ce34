package template

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestExpression(t *testing.T) {
	own := Functions{
		"answer": func(args []any) (any, error) {
			return map[string]any{"n": int64(len(args)), "list": []any{"a", "b"}}, nil
		},
		"tags":   func([]any) (any, error) { return Lenient{"a": "b"}, nil },
		"later":  func([]any) (any, error) { return &Unknown{Expr: "later()"}, nil },
		"broken": func([]any) (any, error) { return nil, errors.New("out of order") },
		"utcnow": func([]any) (any, error) { return "now", nil },
	}
	for _, c := range []struct{ text, want string }{
		{"[concat('a', string(answer(1, 2).n))]", "a2"},
		{"[ANSWER().list[1]]", "b"},
		{"[first(answer()['list'])]", "a"},
		{"[utcNow()]", "now"},
		{"[concat(tags().A, tags()['none'])]", "b"},
		{"[concat(later(), 'x')]", "[concat(later(), 'x')]"},
		{"[if(true(), 'x', broken())]", "x"},
		{"[broken()]", "out of order"},
		{"[answer(lambda('x', 1))]", "does not take a lambda"},
		{"[lambda('x', 1)]", "is not expected at this location"},
		{"[invent()]", "The template function 'invent' is not valid"},
	} {
		x, err := ParseExpression(c.text)
		if err != nil || x == nil {
			t.Fatal(c.text, err)
		}
		v, err := x.Evaluate(own)
		got, _ := v.(string)
		if u, ok := v.(*Unknown); ok {
			got = u.String()
		}
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	if x, err := ParseExpression("plain"); x != nil || err != nil || Plain("[[x]") != "[x]" || Plain("x") != "x" {
		t.Error("a text is no expression")
	}
}

func TestCalls(t *testing.T) {
	x, err := ParseExpression("[if(equals(parameters('a'), 1), field('b'), c.d())]")
	if err != nil {
		t.Fatal(err)
	}
	want := []Call{{"if", "", 3, 0}, {"equals", "", 2, 1}, {"parameters", "a", 1, 2}, {"field", "b", 1, 1}, {"c.d", "", 0, 1}}
	if got := x.Calls(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
