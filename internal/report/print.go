package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// Report is a check on its way to where it is printed.
type Report struct {
	From       string
	Incomplete []estate.Incomplete
	Clusters   iter.Seq[Cluster] // checked as they are asked for, and again if they are asked for again
	tally      *Tally            // of what Clusters have yielded
}

// Formats are the forms that a report can be printed in, the first by default.
var Formats = []string{"table", "json"}

// Print prints a report cluster by cluster, in one of Formats, and returns what it came to. t is for the table.
func (r Report) Print(w io.Writer, format string, t Table) (Tally, error) {
	r = r.counted()
	var err error
	switch format {
	case "table":
		err = t.print(w, r)
	case "json":
		err = r.json(w)
	default:
		err = fmt.Errorf("there is no output format %q", format)
	}
	return *r.tally, err
}

// Result is the whole report, as the JSON contract has it.
func (r Report) Result() (Result, Tally) {
	r = r.counted()
	out := r.envelope()
	out.Clusters = slices.AppendSeq(out.Clusters, r.Clusters)
	return out, *r.tally
}

// envelope is a result without its clusters.
func (r Report) envelope() Result {
	return Result{SchemaVersion: SchemaVersion, From: r.From, Complete: len(r.Incomplete) == 0, Incomplete: filled(r.Incomplete), Clusters: []Cluster{}}
}

// json prints what JSON prints of Result, one cluster at a time.
func (r Report) json(w io.Writer) error {
	const none = `"clusters": []` // in a string its quotes would be escaped
	var b bytes.Buffer
	if err := JSON(&b, r.envelope()); err != nil {
		return err
	}
	head, tail, _ := strings.Cut(b.String(), none)
	before, after := head+`"clusters": [`, "]"+tail
	for c := range r.Clusters {
		b.Reset()
		out := json.NewEncoder(&b)
		out.SetIndent("    ", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(c); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n    %s", before, bytes.TrimSuffix(b.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		before, after = ",", "\n  ]"+tail
	}
	if after[0] == ']' {
		after = before + after
	}
	_, err := io.WriteString(w, after)
	return err
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
		t.Findings[f.Severity]++
	}
	t.Undecided = t.Undecided || slices.ContainsFunc(c.Requirements, func(q Requirement) bool {
		return q.Status == finding.Unknown && q.Needed == catalogue.Now
	})
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
