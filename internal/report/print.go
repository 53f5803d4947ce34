package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// Report is a check on its way to where it is printed.
type Report struct {
	From       string
	At         time.Time        // when it was made; zero: not said
	Version    string           // of aksid; "": not said
	FailOn     finding.Severity // findings that are at least as bad are failures and stop a change; "": none is
	Before     finding.Before   // the change that is about to be made
	Incomplete []estate.Incomplete
	Clusters   iter.Seq[Cluster] // checked as they are asked for, and again if they are asked for again
	tally      *Tally            // of what Clusters have yielded
}

// Formats are the forms that a report can be printed in, the first by default.
var Formats = []string{"table", "json", "markdown", "sarif", "junit", "html"}

// Print prints a report cluster by cluster, in one of Formats, and returns what it came to. t is for the table.
func (r Report) Print(w io.Writer, format string, t Table) (Tally, error) {
	r = r.counted()
	var err error
	switch format {
	case "table":
		err = t.print(w, r)
	case "json":
		err = r.json(w)
	case "markdown":
		err = r.markdown(w)
	case "sarif":
		err = r.sarif(w)
	case "junit":
		err = r.junit(w)
	case "html":
		err = r.html(w)
	default:
		err = fmt.Errorf("there is no output format %q", format)
	}
	return *r.tally, err
}

// Result is the whole report, as the JSON contract has it.
func (r Report) Result() (Result, Tally) {
	r = r.counted()
	clusters := slices.AppendSeq([]Cluster{}, r.Clusters)
	out := r.envelope()
	out.Clusters = clusters
	return out, *r.tally
}

// envelope is a result without its clusters. Whether the change can be made is in it once they have been asked for.
func (r Report) envelope() Result {
	out := Result{SchemaVersion: SchemaVersion, From: r.From, Complete: len(r.Incomplete) == 0, Incomplete: filled(r.Incomplete), Clusters: []Cluster{}}
	if r.Before.Occasion != "" {
		out.Before = &Change{r.Before.String(), r.answer()}
	}
	return out
}

// json prints what JSON prints of Result.
func (r Report) json(w io.Writer) error {
	return stream(w, func() any { return r.envelope() }, "clusters", r.Clusters)
}

// JSON prints a value as the contract is printed: the whole Result, or what a query has made of it.
func JSON(w io.Writer, v any) error { return encoder(w, "").Encode(v) }

func encoder(w io.Writer, indent string) *json.Encoder {
	out := json.NewEncoder(w)
	out.SetIndent(indent, "  ")
	out.SetEscapeHTML(false)
	return out
}

// stream prints a value as JSON prints it, with elements of an array that is empty in it one at a time. What comes after
// the array is as the value is by then.
func stream[T any](w io.Writer, envelope func() any, array string, elements iter.Seq[T]) error {
	array = fmt.Sprintf("%q: [", array) // not in a string: there its quotes are escaped
	head, _, err := around(envelope(), array)
	if err != nil {
		return err
	}
	indent := head[strings.LastIndexByte(head, '\n'):]
	before, close := head+array, "]"
	var b bytes.Buffer
	for e := range elements {
		b.Reset()
		if err := encoder(&b, indent[1:]+"  ").Encode(e); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s  %s", before, indent, bytes.TrimSuffix(b.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		before, close = ",", indent+"]"
	}
	_, tail, err := around(envelope(), array)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.TrimPrefix(before, ",")+close+tail)
	return err
}

// around is a value's JSON before and after an array that is empty.
func around(v any, array string) (head, tail string, err error) {
	var b strings.Builder
	err = JSON(&b, v)
	head, tail, _ = strings.Cut(b.String(), array+"]")
	return head, tail, err
}

// Tally is what a report comes to.
type Tally struct {
	Clusters  int
	Findings  map[finding.Severity]int
	Unread    int  // reads that failed
	Undecided bool // something that a cluster needs now could not be decided, or whole clusters could not be read
}

// counted is a report whose tally grows as its clusters are asked for, and begins anew when they are asked for again.
func (r Report) counted() Report {
	clusters, t := r.Clusters, &Tally{}
	r.tally = t
	r.Clusters = func(yield func(Cluster) bool) {
		*t = Tally{Findings: map[finding.Severity]int{}, Unread: len(r.Incomplete),
			Undecided: slices.ContainsFunc(r.Incomplete, func(i estate.Incomplete) bool { return i.Clusters })}
		for c := range clusters {
			t.add(c)
			if !yield(c) {
				return
			}
		}
	}
	return r
}

func (t *Tally) add(c Cluster) {
	t.Clusters++
	for _, f := range c.Findings {
		if f.SameAs == nil {
			t.Findings[f.Severity]++
		}
	}
	t.Undecided = t.Undecided || slices.ContainsFunc(c.Requirements, func(q Requirement) bool {
		return q.Status == finding.Unknown && q.Needed == catalogue.Now
	})
}

// severities counts the findings of each.
func (c Cluster) severities() map[finding.Severity]int {
	n := map[finding.Severity]int{}
	for _, f := range c.Findings {
		n[f.Severity]++
	}
	return n
}

// Worst is the severity of the worst finding, or "".
func (t Tally) Worst() finding.Severity {
	for _, s := range finding.Severities {
		if t.Findings[s] > 0 {
			return s
		}
	}
	return ""
}

// String says what a report comes to, in a sentence or two.
func (t Tally) String() string {
	out := counts(t.Findings) + "."
	if t.Clusters > 1 {
		out = plural(t.Clusters, "cluster") + ": " + out
	}
	if t.Unread == 0 {
		return out + " Everything was readable."
	}
	return out + " " + plural(t.Unread, "read") + " failed."
}

// counts names the severities that there are findings of; errors always.
func counts(findings map[finding.Severity]int) string {
	var parts []string
	for _, s := range finding.Severities {
		if n := findings[s]; n > 0 || s == finding.Error {
			parts = append(parts, plural(n, string(s)))
		}
	}
	return strings.Join(parts, ", ")
}

// Fails reports whether there are findings that are at least as bad as a severity; "" is none.
func (t Tally) Fails(on finding.Severity) bool {
	worst := t.Worst()
	return on != "" && worst != "" && worst.AtLeast(on)
}

// answer says whether the change that is about to be made can be.
func (r Report) answer() Answer {
	switch {
	case r.tally.Fails(r.FailOn):
		return NoGo
	case r.tally.Undecided:
		return NotKnown
	}
	return Go
}

// advice is the answer in a sentence; "" where no change is about to be made.
func (r Report) advice() string {
	change := r.Before.String()
	switch {
	case change == "":
		return ""
	case r.answer() == NoGo:
		return "No go: see what has to be done before " + change + "."
	case r.answer() == NotKnown:
		return "It cannot be told whether " + change + " will work: see what could not be read."
	}
	return "Go: nothing stands against " + change + "."
}

// made says from what, when and by which aksid a report was made.
func (r Report) made() string {
	out := "Read from " + r.From
	if !r.At.IsZero() {
		out += ", " + r.At.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	if r.Version != "" {
		out += ", by aksid " + r.Version
	}
	return out
}
