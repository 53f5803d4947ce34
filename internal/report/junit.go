package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"aksid/internal/catalogue"
	"aksid/internal/finding"
	"aksid/internal/plain"
)

// The elements of JUnit's XML that Jenkins (junit-10.xsd), GitLab and Azure DevOps read. A cluster is a suite. Each of its
// needs is a case, and so is each rule, beside those that say that a need is not met.
//
//   - failure: findings that count for the exit code (Report.FailOn)
//   - error: what was needed and could not be told or read
//   - skipped: findings that do not count or are accepted, needs that may be none, reads that failed and did no harm
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Time     string      `xml:"timestamp,attr,omitempty"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitOutcome `xml:"failure"`
		Error   *junitOutcome `xml:"error"`
		Skipped *junitOutcome `xml:"skipped"`
	}
	junitOutcome struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

func (r Report) junit(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	root := xml.StartElement{Name: xml.Name{Local: "testsuites"}, Attr: []xml.Attr{{Name: xml.Name{Local: "name"}, Value: "aksid check"}}}
	if err := out.EncodeToken(root); err != nil {
		return err
	}
	for c := range r.Clusters {
		if err := r.suite(out, c.ResourceGroup+"/"+c.Name, r.cases(c)); err != nil {
			return err
		}
	}
	if len(r.Incomplete) > 0 {
		if err := r.suite(out, "what is read", r.reads()); err != nil {
			return err
		}
	}
	if err := out.EncodeToken(root.End()); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r Report) suite(out *xml.Encoder, name string, cases []junitCase) error {
	s := junitSuite{Name: plain.Text(name), Tests: len(cases), Cases: cases}
	if !r.At.IsZero() {
		s.Time = r.At.UTC().Format(time.RFC3339)
	}
	for i := range cases {
		cases[i].Class = s.Name
		s.Failures += count(cases[i].Failure)
		s.Errors += count(cases[i].Error)
		s.Skipped += count(cases[i].Skipped)
	}
	return out.Encode(s)
}

func count(o *junitOutcome) int {
	if o == nil {
		return 0
	}
	return 1
}

// cases are a cluster's needs, and the rules that do not speak of a need.
func (r Report) cases(c Cluster) []junitCase {
	var out []junitCase
	for _, q := range c.Requirements {
		out = append(out, r.need(c, q))
	}
	for _, rule := range finding.Rules() {
		if !ofNeed[rule.ID] && r.Before.Runs(rule) {
			out = append(out, r.rule(c, rule))
		}
	}
	return out
}

func (r Report) need(c Cluster, q Requirement) junitCase {
	out := junitCase{Name: plain.Text(fmt.Sprintf("%s: %s on %s", q.by, q.ID, q.place))}
	switch {
	case q.Status == finding.Granted:
	case q.Status == finding.Unknown && q.Needed == catalogue.Now:
		out.Error = &junitOutcome{Message: plain.Text("not known: " + q.Reason), Type: q.rule}
	case q.cause != nil && q.cause.Rule == q.rule:
		r.judge(&out, *q.cause, message(c, *q.cause))
	case q.cause != nil:
		r.judge(&out, *q.cause, "See "+q.cause.Rule)
	default:
		out.Skipped = &junitOutcome{Message: plain.Text(strings.TrimSpace(q.Breaks + " " + q.Reason))}
	}
	return out
}

func (r Report) rule(c Cluster, rule *finding.Rule) junitCase {
	out := junitCase{Name: rule.ID}
	var texts []string
	var worst Finding
	for _, f := range slices.Concat(c.Findings, c.Accepted) {
		if f.Rule != rule.ID {
			continue
		}
		if len(texts) == 0 {
			worst = f
		}
		texts = append(texts, message(c, f))
	}
	if len(texts) > 0 {
		r.judge(&out, worst, strings.Join(texts, "\n\n"))
	}
	return out
}

// judge makes a failure of a finding, or leaves the case out.
func (r Report) judge(to *junitCase, f Finding, text string) {
	outcome := &junitOutcome{Message: plain.Text(f.Title), Type: string(f.Severity), Text: text}
	if r.FailOn != "" && f.Accepted == nil && f.Severity.AtLeast(r.FailOn) {
		to.Failure = outcome
	} else {
		to.Skipped = outcome
	}
}

// reads are the reads that failed.
func (r Report) reads() []junitCase {
	var out []junitCase
	for _, i := range r.Incomplete {
		c, outcome := junitCase{Name: plain.Text(i.What)}, &junitOutcome{Message: plain.Text(i.Why), Text: plain.Text(i.Right)}
		if i.Clusters {
			c.Error = outcome
		} else {
			c.Skipped = outcome
		}
		out = append(out, c)
	}
	return out
}
