package drill

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"aksid/internal/drill/act"
	"aksid/internal/plain"
)

// Formats are those that a Result can be printed in.
var Formats = []string{"table", "json", "markdown", "junit"}

// Print writes a result in a format; colour is for tables.
func (r Result) Print(w io.Writer, format string, colour bool) error {
	switch format {
	case "json":
		return writeJSON(w, r)
	case "markdown":
		return r.markdown(w)
	case "junit":
		return r.junit(w)
	}
	return r.table(w, colour)
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// clean is a text that may have several lines, as events have, on one, where it steers no terminal.
func clean(s string) string { return plain.Text(strings.Join(strings.Fields(s), " ")) }

// page writes text for people.
type page struct {
	strings.Builder
	colour bool
}

// Colours, as terminals know them (ECMA-48). What they say, a sign or a word says as well.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *page) paint(s, colour string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// width is the line length of running text, in characters.
const width = 118

// para writes a text broken into lines between words, all of them indented; label stands before the first.
func (p *page) para(indent, label, text string) {
	room := 0
	p.WriteString(indent + label)
	hang := indent + strings.Repeat(" ", utf8.RuneCountInString(label))
	for i, word := range strings.Fields(clean(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case i > 0 && n+1 > room:
			p.WriteString("\n" + hang)
			room = width - utf8.RuneCountInString(hang)
		case i > 0:
			p.WriteByte(' ')
			room--
		default:
			room = width - utf8.RuneCountInString(hang)
		}
		p.WriteString(word)
		room -= n
	}
	p.WriteByte('\n')
}

func (r Result) table(w io.Writer, colour bool) error {
	p := &page{colour: colour}
	for _, c := range r.Clusters {
		fmt.Fprintf(p, "%s · %s · %s subscription\n", p.paint(clean(c.Name), bold), clean(c.ResourceGroup), clean(c.Subscription))
		if c.NotDrilled != "" {
			fmt.Fprintf(p, "  not drilled: %s\n\n", clean(c.NotDrilled))
			continue
		}
		fmt.Fprintf(p, "  Kubernetes %s acts as %s%s\n\n", clean(r.Kubernetes), clean(c.Identity), r.on())
		for _, op := range c.Operations {
			p.operation(op)
		}
		if c.Left != "" {
			p.para("  ", "! could not be put back: ", c.Left)
		}
		p.WriteByte('\n')
	}
	fmt.Fprintf(p, "%s %.1f s\n", r.Summary, r.Seconds)
	_, err := io.WriteString(w, p.String())
	return err
}

// on says what was acted out on, if that is a copy.
func (r Result) on() string {
	if r.CopyOf == "" {
		return ""
	}
	return ", on a copy of " + clean(r.CopyOf)
}

// titleWidth is the column of the titles.
const titleWidth = 50

func (p *page) operation(op Performance) {
	sign, colour, what := op.verdict()
	fmt.Fprintf(p, "  %s %s%s %s\n", p.paint(sign, colour), clean(op.Title), strings.Repeat(" ", max(titleWidth-utf8.RuneCountInString(op.Title), 1)), clean(what))
	const indent = "    "
	if r := op.Acted.first(); r != nil {
		p.para(indent, "refused  ", r.String())
	}
	if op.Acted.Outcome == Refused || op.Acted.Outcome == Failed {
		p.para(indent, "seen     ", op.seen())
	}
	if len(op.Acted.Faults) > 0 {
		p.para(indent, "got over ", strings.Join(op.Acted.Faults, ", "))
	}
	if len(op.Acted.Leaked) > 0 {
		p.para(indent, "left     ", strings.Join(op.Acted.Leaked, ", "))
	}
	if op.Acted.Outcome != Skipped && (op.Acted.Outcome != Works || !op.Agrees) {
		p.para(indent, "check    ", op.Predicted.String())
	}
}

// verdict is a sign, its colour and a word or two for how an operation ended.
func (op Performance) verdict() (sign, colour, what string) {
	switch a := op.Acted; {
	case a.Outcome == Skipped:
		return "-", yellow, "not tried"
	case a.Outcome == Works && len(a.Leaked) > 0:
		return "!", red, "works, and leaves something behind"
	case a.Outcome == Works && !op.Agrees:
		return "!", yellow, "works, against what was predicted"
	case a.Outcome == Works:
		return "✓", green, strings.TrimRight(took(a.Seconds)+"  "+short(a.Result), " ")
	case a.Silent:
		return "!", red, "refused, and nobody is told"
	case a.Outcome == Failed:
		return "✗", red, "failed"
	}
	return "✗", red, "refused"
}

func took(seconds float64) string {
	if seconds < 1 {
		return fmt.Sprintf("%5.0f ms", 1000*seconds)
	}
	return fmt.Sprintf("%5.1f s ", seconds)
}

// short is the end of an id or digest.
func short(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func (a Acted) first() *Refusal {
	if a.Outcome != Refused || len(a.Refused) == 0 {
		return nil
	}
	return &a.Refused[0]
}

func (r Refusal) String() string {
	if typ := rightOf[r.Code]; r.Action == "" && typ != "" {
		return fmt.Sprintf("%d %s: a right on %s", r.Status, r.Code, typ)
	}
	if r.Action == "" {
		return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Message)
	}
	who := ""
	if !r.Principal.IsZero() {
		who = " to " + r.Principal.String()
	}
	return fmt.Sprintf("%s%s on %s", r.Action, who, r.Scope)
}

// seen is what a user sees of it, and when.
func (op Performance) seen() string {
	e := op.warning()
	switch {
	case op.Acted.By != "":
		return op.Acted.By + " answers " + op.Acted.Error
	case e == nil && op.Acted.Error == "":
		return "nothing: the controllers say " + op.lastReason()
	case e == nil:
		return "nothing but a log: " + op.Acted.Error
	}
	text := fmt.Sprintf("%s of %s (%s): %s", e.Reason, e.Object, e.Source, e.Message)
	if op.Waits != "" {
		text += " (after " + op.Waits + ")"
	}
	return text
}

// warning is the last warning: the controllers say the provider's in their own words.
func (op Performance) warning() *act.Event {
	for i := len(op.Acted.Events) - 1; i >= 0; i-- {
		if op.Acted.Events[i].Type == "Warning" {
			return &op.Acted.Events[i]
		}
	}
	return nil
}

func (op Performance) lastReason() string {
	if n := len(op.Acted.Events); n > 0 {
		return op.Acted.Events[n-1].Reason
	}
	return "that it worked"
}

// String is a prediction in words.
func (p Prediction) String() string {
	switch p.Outcome {
	case Works:
		return "said that nothing is missing"
	case Unknown:
		return "cannot tell: " + words(p.Unknown)
	}
	return "said so: " + words(p.Missing)
}

func words(all []Lack) string {
	const few = 3
	var out []string
	for i, l := range all {
		if i == few {
			out = append(out, fmt.Sprintf("and %d more", len(all)-few))
			break
		}
		out = append(out, l.String())
	}
	return strings.Join(out, "; ")
}

func (l Lack) String() string {
	switch {
	case l.Older != "":
		return l.Older + " (" + string(l.Action) + ")"
	case l.Locked != "":
		return l.Rule + ", " + l.Locked
	case l.Denied != "":
		return string(l.Action) + ", denied by " + l.Denied
	}
	return l.Rule + ", " + string(l.Action)
}

// String is a summary in words.
func (s Summary) String() string {
	if s.Operations == 0 {
		return "0 operations: nothing was acted out."
	}
	out := fmt.Sprintf("%s: %d worked, %d refused", count(s.Operations, "operation"), s.Worked, s.Refused)
	if s.Silent > 0 {
		out += fmt.Sprintf(" (%d silently)", s.Silent)
	}
	if s.Leaked > 0 {
		out += fmt.Sprintf(", %d left something behind", s.Leaked)
	}
	if s.Failed > 0 {
		out += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.Skipped > 0 {
		out += fmt.Sprintf(", %d not tried", s.Skipped)
	}
	if s.Unforeseen > 0 {
		return out + fmt.Sprintf(". %d did not end as check predicts.", s.Unforeseen)
	}
	return out + ". All as check predicts."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r Result) markdown(w io.Writer) error {
	var b strings.Builder
	for _, c := range r.Clusters {
		fmt.Fprintf(&b, "## %s\n\n", cell(c.Name))
		if c.NotDrilled != "" {
			fmt.Fprintf(&b, "Not drilled: %s\n\n", cell(c.NotDrilled))
			continue
		}
		fmt.Fprintf(&b, "Kubernetes %s acted as `%s`%s.\n\n| operation | acted out | refused | what a user sees | left behind | check |\n| --- | --- | --- | --- | --- | --- |\n", cell(r.Kubernetes), cell(c.Identity), cell(r.on()))
		for _, op := range c.Operations {
			sign, _, what := op.verdict()
			refused, seen, check := "", "", ""
			if f := op.Acted.first(); f != nil {
				refused = f.String()
			}
			if op.Acted.Outcome == Refused || op.Acted.Outcome == Failed {
				seen = op.seen()
			}
			if op.Acted.Outcome != Skipped {
				check = op.Predicted.String()
			}
			fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s | %s |\n", cell(op.Title), sign, cell(strings.TrimSpace(what)), cell(refused), cell(seen), cell(strings.Join(op.Acted.Leaked, ", ")), cell(check))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s\n", r.Summary)
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is a text that stays inside its cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'").Replace(clean(s))
}

// The elements of JUnit's XML: a cluster is a suite, an operation a case.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		Suites  []junitSuite
	}
	junitSuite struct {
		XMLName  xml.Name `xml:"testsuite"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Skipped  int      `xml:"skipped,attr"`
		Cases    []junitCase
	}
	junitCase struct {
		XMLName xml.Name      `xml:"testcase"`
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    float64       `xml:"time,attr"`
		Failure *junitOutcome `xml:"failure"`
		Skipped *junitOutcome `xml:"skipped"`
	}
	junitOutcome struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (r Result) junit(w io.Writer) error {
	all := junitSuites{Name: "aksid drill"}
	for _, c := range r.Clusters {
		s := junitSuite{Name: clean(c.ResourceGroup + "/" + c.Name)}
		for _, op := range c.Operations {
			jc := junitCase{Class: clean(c.Name), Name: clean(op.Title), Time: op.Acted.Seconds}
			switch _, _, what := op.verdict(); {
			case op.Acted.Outcome == Skipped:
				jc.Skipped = &junitOutcome{Message: what}
				s.Skipped++
			case op.Acted.Outcome != Works || !op.Agrees || len(op.Acted.Leaked) > 0:
				jc.Failure = &junitOutcome{Message: clean(what), Text: clean(op.explain())}
				s.Failures++
			}
			s.Cases = append(s.Cases, jc)
			s.Tests++
		}
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (op Performance) explain() string {
	text := "seen: " + op.seen() + "; check " + op.Predicted.String()
	if len(op.Acted.Leaked) > 0 {
		text = "left behind: " + strings.Join(op.Acted.Leaked, ", ") + "; " + text
	}
	if f := op.Acted.first(); f != nil {
		text = "refused: " + f.String() + "; " + text
	}
	return text
}

// Print writes a tally.
func (t Tally) Print(w io.Writer, format string, colour bool) error {
	if format == "json" {
		return writeJSON(w, t)
	}
	p := &page{colour: colour}
	for _, d := range t.Disagreements {
		fmt.Fprintf(p, "%s configuration %d of seed %d: %s\n", p.paint("✗", red), d.Configuration, t.Seed, clean(d.Title))
		p.para("  ", "predicted  ", string(d.Predicted.Outcome)+", "+d.Predicted.String())
		acted := string(d.Acted.Outcome)
		if f := d.Acted.first(); f != nil {
			acted += ", " + f.String()
		}
		p.para("  ", "acted out  ", acted)
		if d.Acted.Error != "" {
			p.para("  ", "error      ", d.Acted.Error)
		}
		for i, s := range d.Shape {
			label := "           "
			if i == 0 {
				label = "shape      "
			}
			p.para("  ", label, s)
		}
	}
	rate := float64(t.Configurations) / max(t.Seconds, 0.001)
	fmt.Fprintf(p, "%s, %s, %s, %s. %d were refused as predicted, %d of them silently; of %d nothing was predicted. %.0f s, %.1f configurations a second.\n",
		count(t.Configurations, "configuration"), count(t.Operations, "operation"), count(t.Agreements, "agreement"), count(len(t.Disagreements), "disagreement"),
		t.Refused, t.Silent, t.Unknown, t.Seconds, rate)
	_, err := io.WriteString(w, p.String())
	return err
}
