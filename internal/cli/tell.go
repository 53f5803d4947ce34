package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"aksid/internal/plain"
	"aksid/internal/report"
	"aksid/internal/scenario"
)

// teller shows a story in one of the output formats.
type teller interface {
	scenario.Teller
	begin(scenario.Story)
	end(scenario.Story) error
}

func newTeller(ctx context.Context, a *App, o scenarioOptions) teller {
	switch o.Output {
	case "json":
		return &jsonTeller{App: a, Told: told{SchemaVersion: report.SchemaVersion}}
	case "markdown":
		return &markdownTeller{App: a}
	}
	t := &plainTeller{App: a, ctx: ctx}
	if o.Step {
		t.enter = make(chan string)
		go readLines(a, t.enter)
	}
	return t
}

// readLines hands on what is typed.
func readLines(a *App, to chan<- string) {
	defer close(to)
	for in := bufio.NewScanner(a.In); in.Scan(); {
		to <- in.Text()
	}
}

// plainTeller tells a story in running text, as it happens.
type plainTeller struct {
	*App
	ctx     context.Context
	enter   chan string // nil: nobody reads along
	figures []scenario.Figure
}

func (t *plainTeller) begin(s scenario.Story) {
	fmt.Fprintf(t.Out, "%s\n\n%s", s.Title, wrap("", s.Case))
	for _, given := range s.Given {
		fmt.Fprint(t.Out, wrap("Given: ", given))
	}
}

func (t *plainTeller) Step(n int, title string) error {
	if n > 1 && t.enter != nil {
		fmt.Fprint(t.Err, "aksid: Enter to go on ")
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case <-t.enter: // at the end of the input it goes on by itself
		}
	}
	_, err := fmt.Fprintf(t.Out, "\n%d. %s\n", n, title)
	return err
}

func (t *plainTeller) Line(l scenario.Line) {
	text := plain.Text(l.Text)
	switch l.Kind {
	case scenario.Says:
		fmt.Fprint(t.Out, wrap("   ", text))
	case scenario.Who:
		fmt.Fprint(t.Out, wrap(fmt.Sprintf("   %-16s", l.Label), text))
	case scenario.Changes:
		fmt.Fprint(t.Out, wrap("   + ", text))
	case scenario.Works:
		fmt.Fprint(t.Out, wrap("   ✓ ", text))
	case scenario.Refused:
		fmt.Fprintf(t.Out, "   ✗ %d %s\n%s", l.Status, l.Code, wrap("     ", text))
	case scenario.Command:
		fmt.Fprintf(t.Out, "   $ %s\n", text)
		fmt.Fprint(&indenter{to: t.Out, indent: "   | "}, l.Output)
	}
}

func (t *plainTeller) Figure(f scenario.Figure) { t.figures = append(t.figures, f) }

func (t *plainTeller) end(s scenario.Story) error {
	if len(t.figures) > 0 {
		fmt.Fprint(t.Out, "\nThe figures of the case, as measured in this run\n")
	}
	for _, f := range t.figures {
		fmt.Fprint(t.Out, wrap("   "+mark(f.Holds)+" ", f.Name))
		fmt.Fprint(t.Out, wrap("       case study   ", f.Case))
		fmt.Fprint(t.Out, wrap("       this run     ", plain.Text(f.Here)))
		fmt.Fprint(t.Out, wrap("       measured by  ", f.How))
	}
	if len(t.figures) > 0 {
		fmt.Fprintf(t.Out, "\n%s\n", holding(t.figures))
	}
	_, err := fmt.Fprint(t.Out, s.Next)
	return err
}

func mark(holds bool) string {
	if holds {
		return "✓"
	}
	return "✗"
}

// holding is the verdict on figures.
func holding(figures []scenario.Figure) string {
	n := 0
	for _, f := range figures {
		if f.Holds {
			n++
		}
	}
	return fmt.Sprintf("%d of %d figures hold.", n, len(figures))
}

// markdownTeller tells a story as a document.
type markdownTeller struct {
	*App
	figures []scenario.Figure
}

func (t *markdownTeller) begin(s scenario.Story) {
	fmt.Fprintf(t.Out, "# %s\n\n%s\n", s.Title, s.Case)
	for _, given := range s.Given {
		fmt.Fprintf(t.Out, "\nGiven: %s\n", given)
	}
}

func (t *markdownTeller) Step(n int, title string) error {
	_, err := fmt.Fprintf(t.Out, "\n## %d. %s\n", n, title)
	return err
}

func (t *markdownTeller) Line(l scenario.Line) {
	text := plain.Text(l.Text)
	switch l.Kind {
	case scenario.Says:
		fmt.Fprintf(t.Out, "\n%s\n", text)
	case scenario.Who:
		fmt.Fprintf(t.Out, "\n**%s**: %s\n", l.Label, text)
	case scenario.Changes:
		fmt.Fprintf(t.Out, "\n+ %s\n", text)
	case scenario.Works:
		fmt.Fprintf(t.Out, "\n✓ %s\n", text)
	case scenario.Refused:
		fmt.Fprintf(t.Out, "\n✗ %d %s\n\n> %s\n", l.Status, l.Code, text)
	case scenario.Command:
		fence := strings.Repeat("`", 3)
		for strings.Contains(l.Output, fence) {
			fence += "`"
		}
		fmt.Fprintf(t.Out, "\n%s\n$ %s\n%s%s\n", fence, text, l.Output, fence)
	}
}

func (t *markdownTeller) Figure(f scenario.Figure) { t.figures = append(t.figures, f) }

func (t *markdownTeller) end(scenario.Story) error {
	if len(t.figures) == 0 {
		return nil
	}
	fmt.Fprint(t.Out, "\n## The figures of the case, as measured in this run\n\n| | figure | case study | this run | measured by |\n|---|---|---|---|---|\n")
	for _, f := range t.figures {
		fmt.Fprintf(t.Out, "| %s | %s | %s | %s | %s |\n", mark(f.Holds), f.Name, f.Case, plain.Text(f.Here), f.How)
	}
	_, err := fmt.Fprintf(t.Out, "\n%s\n", holding(t.figures))
	return err
}

// told is a story as JSON.
type told struct {
	SchemaVersion string            `json:"schemaVersion"`
	Name          string            `json:"scenario"`
	Title         string            `json:"title"`
	Given         []string          `json:"given"`
	Steps         []toldStep        `json:"steps"`
	Figures       []scenario.Figure `json:"figures"`
	Hold          bool              `json:"hold"`
}

type toldStep struct {
	Title string          `json:"title"`
	Lines []scenario.Line `json:"lines"`
}

// jsonTeller keeps a story and prints it at its end.
type jsonTeller struct {
	*App
	Told told
}

func (t *jsonTeller) begin(s scenario.Story) {
	t.Told.Name, t.Told.Title, t.Told.Given, t.Told.Hold = s.Name, s.Title, append([]string{}, s.Given...), true
	t.Told.Figures = []scenario.Figure{}
}

func (t *jsonTeller) Step(_ int, title string) error {
	t.Told.Steps = append(t.Told.Steps, toldStep{Title: title, Lines: []scenario.Line{}})
	return nil
}

func (t *jsonTeller) Line(l scenario.Line) {
	last := &t.Told.Steps[len(t.Told.Steps)-1]
	last.Lines = append(last.Lines, l)
}

func (t *jsonTeller) Figure(f scenario.Figure) {
	t.Told.Figures = append(t.Told.Figures, f)
	t.Told.Hold = t.Told.Hold && f.Holds
}

func (t *jsonTeller) end(scenario.Story) error { return report.JSON(t.Out, t.Told) }
