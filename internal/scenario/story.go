// Package scenario tells what happened to companies with AKS, as it happens: real requests to a local Azure, each by whoever
// makes it, and aksid's own commands. A story is steps; what comes of it are figures, measured while it is told.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// Story is a case: what happens in it, step by step.
type Story struct {
	Name  string // as the command line has it
	Title string
	Case  string   // how it begins
	Given []string // what the story takes as given: what is no measurement
	Next  string   // what to try afterwards, as text; "" is nothing
	plot  func(*Stage) []step
}

// step is one scene. An error ends the story: something did not happen as it does on Azure.
type step struct {
	title string
	do    func(context.Context) error
}

// Stories are the case studies, in their order.
var Stories = []Story{freightStory, gameStory, waterStory}

// Find is the story of a name.
func Find(name string) (Story, bool) {
	for _, s := range Stories {
		if s.Name == name {
			return s, true
		}
	}
	return Story{}, false
}

// Steps are the titles of a story's steps.
func (s Story) Steps() []string {
	var out []string
	for _, x := range s.plot(&Stage{}) {
		out = append(out, x.title)
	}
	return out
}

// Figure is a result of a case, as the case study has it and as it was measured in the run.
type Figure struct {
	Name  string `json:"name"`
	Case  string `json:"case"` // what the case study says
	Here  string `json:"here"` // what was measured
	How   string `json:"how"`  // how it was measured
	Holds bool   `json:"holds"`
}

// Kind says what a line of a story is.
type Kind string

// Kinds of lines.
const (
	Says    Kind = "says"    // Text is running text
	Who     Kind = "who"     // Label is somebody or something, Text says what
	Changes Kind = "changes" // Text was changed
	Works   Kind = "works"   // Text worked
	Refused Kind = "refused" // a call was refused: Status, Code and, as Text, the message of the answer
	Command Kind = "command" // Text was run, printed Output and ended with Exit
)

// Line is something that a story tells.
type Line struct {
	Kind   Kind   `json:"kind"`
	Label  string `json:"label,omitempty"`
	Text   string `json:"text"`
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	Output string `json:"output,omitempty"`
	Exit   int    `json:"exit,omitempty"`
}

// Teller shows a story while it happens.
type Teller interface {
	Step(number int, title string) error // an error ends the story
	Line(Line)
	Figure(Figure)
}

// silence tells nobody.
type silence struct{}

func (silence) Step(int, string) error { return nil }
func (silence) Line(Line)              {}
func (silence) Figure(Figure)          {}

// RecordFile is the file in the stage's folder with what the local Azure decides, as aksid up --record writes it.
const RecordFile = "used.jsonl"

// Stage is where a story is played.
type Stage struct {
	Teller
	Azure  *local.Azure
	Folder string // for the files that commands read and write
	// Aksid runs a command of aksid as a user does, with the clock of the local Azure, and returns what it printed, what it said
	// on standard error and its exit code. It reads the local Azure as somebody: the zero Credential is the operator.
	Aksid func(ctx context.Context, as local.Credential, now func() time.Time, args []string) (output, says string, code int)
	Now   func() time.Time

	ahead   time.Duration // of the local Azure's clock
	waited  time.Duration // what the story has let go by
	owner   *person       // the operator
	names   map[azure.PrincipalID]string
	figures []Figure
}

// Tell plays a story up to a step (0: to its end) and reports whether all its figures hold.
func (s Story) Tell(ctx context.Context, stage *Stage, until int) (holds bool, err error) {
	holds = true
	for i, x := range s.plot(stage) {
		if until > 0 && i >= until {
			break
		}
		if err := stage.Step(i+1, x.title); err != nil {
			return false, err
		}
		if err := x.do(ctx); err != nil {
			return false, fmt.Errorf("%s, step %d (%s): %w", s.Name, i+1, x.title, err)
		}
	}
	for _, f := range stage.figures {
		stage.Teller.Figure(f)
		holds = holds && f.Holds
	}
	return holds, nil
}

// measure keeps a figure, to be told at the end.
func (s *Stage) measure(f Figure) { s.figures = append(s.figures, f) }

func (s *Stage) say(format string, args ...any) {
	s.Line(Line{Kind: Says, Text: fmt.Sprintf(format, args...)})
}

func (s *Stage) who(label, format string, args ...any) {
	s.Line(Line{Kind: Who, Label: label, Text: fmt.Sprintf(format, args...)})
}

func (s *Stage) changed(format string, args ...any) {
	s.Line(Line{Kind: Changes, Text: fmt.Sprintf(format, args...)})
}

func (s *Stage) works(format string, args ...any) {
	s.Line(Line{Kind: Works, Text: fmt.Sprintf(format, args...)})
}

// longest is how much of a refusal's text is told, in bytes: those of policies name every definition with its whole id.
const longest = 900

// refused tells a refusal that the story is about, and fails if it did not happen as it does on Azure.
func (s *Stage) refused(err error, status int, code string) error {
	answer, err := refusal(err, status, code)
	if err == nil {
		text, _, _ := strings.Cut(strings.Join(strings.Fields(answer.Message), " "), " Trace ID:")
		if len(text) > longest {
			text = strings.ToValidUTF8(text[:longest], "") + " …"
		}
		s.Line(Line{Kind: Refused, Status: status, Code: code, Text: text})
	}
	return err
}

// refusal is the refusal that a call is to end with.
func refusal(err error, status int, code string) (*azure.Error, error) {
	var refused *azure.Error
	if !errors.As(err, &refused) || refused.Status != status || refused.Code != code {
		return nil, fmt.Errorf("the call should have been refused with %d %s, but: %v", status, code, err)
	}
	return refused, nil
}

// run is a command of aksid that a story shows.
type run struct {
	args    []string
	as      *person // who runs it; nil: the operator
	want    int     // the exit code
	show    int     // how many lines of the end of its output are shown; 0: all
	without string  // paragraphs of its output that hold this are not shown
	into    string  // the file in the stage\'s folder that its output goes to; "" is what is shown
}

// aksid runs a command as a user does, tells it, and returns what it printed.
func (s *Stage) aksid(ctx context.Context, r run) (string, error) {
	out, says, err := s.execute(ctx, r)
	if err != nil {
		return out, err
	}
	typed := "aksid " + s.relative(quoted(r.args))
	if r.as != nil {
		typed = "aksid exec --as " + r.as.name + " -- " + typed
	}
	shown := s.relative(out)
	switch {
	case r.into != "":
		typed, shown = typed+" > "+r.into, ""
		if err := os.WriteFile(filepath.Join(s.Folder, r.into), []byte(out), 0o600); err != nil {
			return out, err
		}
	case r.show > 0:
		shown = last(shown, r.show)
	case r.without != "":
		shown = without(shown, r.without)
	}
	s.Line(Line{Kind: Command, Text: typed, Output: shown + s.relative(says), Exit: r.want})
	return out, nil
}

// quietly is aksid for what only the figures want to know.
func (s *Stage) quietly(ctx context.Context, r run) (string, error) {
	out, _, err := s.execute(ctx, r)
	return out, err
}

func (s *Stage) execute(ctx context.Context, r run) (out, says string, err error) {
	var as local.Credential
	if r.as != nil {
		as = r.as.credential
	}
	out, says, code := s.Aksid(ctx, as, s.now, r.args)
	switch {
	case ctx.Err() != nil:
		return out, says, ctx.Err() // the command was interrupted with the story
	case code != r.want:
		return out, says, fmt.Errorf("aksid %s ended with exit code %d instead of %d: %s", strings.Join(r.args, " "), code, r.want, strings.TrimSpace(last(out+says, 3)))
	}
	return out, says, nil
}

// relative names files as somebody does who works in the story's folder.
func (s *Stage) relative(text string) string {
	if s.Folder == "" {
		return text
	}
	return strings.ReplaceAll(text, s.Folder+string(filepath.Separator), "")
}

// quoted are arguments as they are typed into a shell.
func quoted(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if out[i] = a; a == "" || strings.ContainsAny(a, " '\"*?()[]{}<>|&;$`\\#!") {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// omitted stands for lines of an output that are not shown.
const omitted = "…\n"

// last is the end of an output.
func last(out string, n int) string {
	all := strings.SplitAfter(strings.TrimRight(out, "\n")+"\n", "\n")
	all = all[:len(all)-1]
	if len(all) <= n {
		return out
	}
	return omitted + strings.Join(all[len(all)-n:], "")
}

// without leaves the paragraphs of an output out that hold a text.
func without(out, text string) string {
	var kept []string
	for p := range strings.SplitSeq(out, "\n\n") {
		if strings.Contains(p, text) {
			p = strings.TrimSuffix(omitted, "\n")
		}
		kept = append(kept, p)
	}
	return strings.TrimRight(strings.Join(kept, "\n\n"), "\n") + "\n"
}
