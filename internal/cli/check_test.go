package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aksid/internal/finding"
	"aksid/internal/report"
)

// How a result ends: findings that count win over what could not be told.
func TestVerdict(t *testing.T) {
	found := func(s finding.Severity, undecided bool) report.Tally {
		return report.Tally{Findings: map[finding.Severity]int{s: 1}, Undecided: undecided}
	}
	for _, c := range []struct {
		t      report.Tally
		failOn finding.Severity
		want   int
	}{
		{report.Tally{}, "error", exitOK},
		{found(finding.Error, false), "error", exitFindings},
		{found(finding.Error, true), "error", exitFindings},
		{found(finding.Warning, false), "error", exitOK},
		{found(finding.Warning, true), "error", exitUnread},
		{found(finding.Warning, false), "warning", exitFindings},
		{found(finding.Note, false), "warning", exitOK},
		{found(finding.Note, false), "note", exitFindings},
		{found(finding.Error, false), "", exitOK},
		{found(finding.Error, true), "", exitUnread},
	} {
		if got := exitCode(verdict(c.t, c.failOn)); got != c.want {
			t.Errorf("%+v, failing on %q: %d, want %d", c.t, c.failOn, got, c.want)
		}
	}
}

func TestAllIDs(t *testing.T) {
	for _, c := range []struct {
		clusters, registries []string
		want                 bool
	}{
		{nil, nil, false},
		{[]string{"/a"}, nil, true},
		{[]string{"/a"}, []string{"/b"}, true},
		{[]string{"/a", "b"}, nil, false},
		{[]string{"/a"}, []string{"b"}, false},
		{nil, []string{"/b"}, false},
	} {
		if got := allIDs(c.clusters, c.registries); got != c.want {
			t.Errorf("%v, %v: %v", c.clusters, c.registries, got)
		}
	}
}

func TestQuery(t *testing.T) {
	value := struct {
		Clusters []string `json:"clusters"`
	}{[]string{"a", "b"}}
	for expression, want := range map[string]string{
		"":                   "{[a b]}",
		"clusters[1]":        "b",
		"length(clusters)":   "2",
		"none":               "<nil>",
		"sum(clusters)":      "the query does not fit the output",
		"clusters[?a==`1`]x": "is no JMESPath",
	} {
		q, err := parseQuery(expression)
		var got any
		if err == nil {
			got, err = q.apply(value)
		}
		if err != nil {
			var usage usageError
			if !errors.As(err, &usage) {
				t.Errorf("%q: %v is no usage error", expression, err)
			}
			got = err
		}
		if s := fmt.Sprint(got); s != want && (err == nil || !strings.Contains(s, want)) {
			t.Errorf("%q: %s, want %s", expression, s, want)
		}
	}
}

// Progress is told once it changes, and ends with what it is about.
func TestProgress(t *testing.T) {
	said := make(chan string, 8)
	p := &progress{say: func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }, pause: time.Millisecond}
	p.set("reading")
	stop := p.start()
	if got := <-said; got != "reading" {
		t.Errorf("it says %q", got)
	}
	stop()
	if len(said) > 0 {
		t.Errorf("it says %q again", <-said)
	}
}
