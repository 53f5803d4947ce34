package cli

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
	"aksid/internal/local"
	"aksid/internal/scenario"
)

// Where nothing is refused, a story about refusals ends, and has no figures that hold.
func TestStoriesNeedRefusals(t *testing.T) {
	for _, story := range append([]scenario.Story{scenario.Demo}, scenario.Stories...) {
		t.Run(story.Name, func(t *testing.T) {
			a := &App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Now: time.Now}
			s, err := serve(t.Context(), a, cloud.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Now: time.Now, LogOnly: true, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.stop() })
			az, err := local.Find(t.Context(), s.dir)
			if err != nil {
				t.Fatal(err)
			}
			stage := &scenario.Stage{Teller: &plainTeller{App: a, ctx: t.Context()}, Azure: az, Folder: t.TempDir(), Now: time.Now, Aksid: a.asUser(az)}
			if holds, err := story.Tell(t.Context(), stage, 0); err == nil || holds {
				t.Error("it is told to its end")
			}
		})
	}
}

// What is told is told in each format, and verdicts follow the figures.
func TestTellers(t *testing.T) {
	story := scenario.Stories[0]
	for format, want := range map[string][]string{
		"table":    {"\n1. One\n", "   platform team   Owner\n", "   + given\n", "   ✓ done\n", "   ✗ 403 AuthorizationFailed\n     not you\n", "   $ aksid check\n   | 1 error\n", "   ✗ failures\n       case study   6 → 0\n       this run     6 → 1\n       measured by  counted\n", "\n1 of 2 figures hold.\n"},
		"markdown": {"\n## 1. One\n", "\n**platform team**: Owner\n", "\n> not you\n", "\n```\n$ aksid check\n1 error\n```\n", "| ✗ | failures | 6 → 0 | 6 → 1 | counted |\n", "\n1 of 2 figures hold.\n"},
		"json":     {`"title": "One"`, `"kind": "refused"`, `"status": 403`, `"here": "6 → 1"`, `"hold": false`},
	} {
		var out bytes.Buffer
		a := &App{In: strings.NewReader(""), Out: &out, Err: io.Discard, Now: time.Now}
		teller := newTeller(t.Context(), a, scenarioOptions{Output: format})
		teller.begin(story)
		if err := teller.Step(1, "One"); err != nil {
			t.Fatal(err)
		}
		for _, l := range []scenario.Line{
			{Kind: scenario.Says, Text: "Once"}, {Kind: scenario.Who, Label: "platform team", Text: "Owner"}, {Kind: scenario.Changes, Text: "given"}, {Kind: scenario.Works, Text: "done"},
			{Kind: scenario.Refused, Status: 403, Code: "AuthorizationFailed", Text: "not you"}, {Kind: scenario.Command, Text: "aksid check", Output: "1 error\n", Exit: 1},
		} {
			teller.Line(l)
		}
		teller.Figure(scenario.Figure{Name: "rights", Case: "four", Here: "4", How: "listed", Holds: true})
		teller.Figure(scenario.Figure{Name: "failures", Case: "6 → 0", Here: "6 → 1", How: "counted"})
		if err := teller.end(story); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("-o %s lacks %q:\n%s", format, w, out.String())
			}
		}
	}
}
