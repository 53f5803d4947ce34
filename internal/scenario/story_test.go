package scenario

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// listener keeps what it is told.
type listener struct {
	steps   []string
	lines   []Line
	figures []Figure
	refuses int // a step
}

func (l *listener) Step(n int, title string) error {
	if n == l.refuses {
		return context.Canceled
	}
	l.steps = append(l.steps, title)
	return nil
}
func (l *listener) Line(x Line)     { l.lines = append(l.lines, x) }
func (l *listener) Figure(f Figure) { l.figures = append(l.figures, f) }

// short is a story with one figure that holds and one that does not.
var short = Story{Name: "short", plot: func(s *Stage) []step {
	return []step{
		{"one", func(context.Context) error { s.measure(Figure{Name: "a", Holds: true}); return nil }},
		{"two", func(context.Context) error { s.measure(Figure{Name: "b"}); return nil }},
		{"three", func(context.Context) error { return errors.New("the world is not as it should be") }},
	}
}}

func TestTell(t *testing.T) {
	for _, c := range []struct {
		until, refuses int
		steps          string
		holds          bool
		says           string
	}{
		{until: 1, steps: "one", holds: true},
		{until: 2, steps: "one two"},
		{until: 2, refuses: 2, steps: "one", says: "canceled"},
		{until: 0, steps: "one two three", says: "short, step 3 (three): the world"},
	} {
		l := &listener{refuses: c.refuses}
		holds, err := short.Tell(t.Context(), &Stage{Teller: l}, c.until)
		if got := strings.Join(l.steps, " "); got != c.steps || holds != c.holds {
			t.Errorf("%+v: steps %q, holds %t", c, got, holds)
		}
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What was not refused, or not as it is on Azure, ends a story.
func TestRefused(t *testing.T) {
	l := &listener{}
	s := &Stage{Teller: l}
	is := &azure.Error{Status: http.StatusForbidden, Code: "AuthorizationFailed", Message: "The client does not. Trace ID: 1"}
	for _, err := range []error{nil, errors.New("EOF"), &azure.Error{Status: 404, Code: "AuthorizationFailed"}, &azure.Error{Status: 403, Code: "Other"}} {
		if s.refused(err, http.StatusForbidden, "AuthorizationFailed") == nil {
			t.Errorf("%v passes for the refusal", err)
		}
	}
	if err := s.refused(is, http.StatusForbidden, "AuthorizationFailed"); err != nil || len(l.lines) != 1 || l.lines[0].Text != "The client does not." {
		t.Errorf("%v %+v", err, l.lines)
	}
}

// A command is told as it can be typed, and must end as it should.
func TestCommand(t *testing.T) {
	l := &listener{}
	s := &Stage{Teller: l, Folder: "/tmp/x", Now: time.Now}
	s.Aksid = func(_ context.Context, as local.Credential, _ func() time.Time, args []string) (string, string, int) {
		if len(args) > 0 && args[0] == "fails" {
			return "", "because\n", 2
		}
		return "1\n2 /tmp/x/out\n3\n", "aksid: wrote /tmp/x/out\n", 1
	}
	who := &person{name: "pipeline"}
	if _, err := s.aksid(t.Context(), run{args: []string{"fix", "--out", "/tmp/x/out", "--only", "it's $1"}, as: who, want: 1, show: 2}); err != nil {
		t.Fatal(err)
	}
	want := Line{Kind: Command, Text: `aksid exec --as pipeline -- aksid fix --out out --only 'it'\''s $1'`, Output: "…\n2 out\n3\naksid: wrote out\n", Exit: 1}
	if !slices.Contains(l.lines, want) {
		t.Errorf("told %+v\nwant %+v", l.lines, want)
	}
	if out, err := s.quietly(t.Context(), run{args: []string{"check"}, want: 1}); err != nil || strings.Contains(out, "wrote") {
		t.Errorf("%v: what was said is in what was printed: %s", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.aksid(ctx, run{args: []string{"fails"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt becomes %v", err)
	}
	if got := without("a\nb\n\nc MC_x\nd\n\ne\n", "MC_"); got != "a\nb\n\n…\n\ne\n" {
		t.Errorf("without a paragraph: %q", got)
	}
	if _, err := s.aksid(t.Context(), run{args: []string{"fails"}}); err == nil || !strings.Contains(err.Error(), "aksid fails ended with exit code 2 instead of 0: because") {
		t.Errorf("%v", err)
	}
}

func TestStories(t *testing.T) {
	for _, s := range Stories {
		if found, ok := Find(s.Name); !ok || found.Title != s.Title || s.Case == "" || len(s.Steps()) < 3 {
			t.Errorf("%s is not a story", s.Name)
		}
	}
	if _, ok := Find(Demo.Name); ok {
		t.Error("the demo is a case study")
	}
}
