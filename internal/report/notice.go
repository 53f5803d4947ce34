package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"aksid/internal/finding"
	"aksid/internal/watch"
)

// Notices prints what a watcher tells of: a line each, and under it what explains it.
func (t Table) Notices(w io.Writer, notices []watch.Notice) error {
	p := &printer{colour: t.Colour}
	for _, n := range notices {
		p.notice(n)
	}
	return p.flush(w)
}

func (p *printer) notice(n watch.Notice) {
	text := n.Text
	if names := clusterNames(n); names != "" {
		text = names + ": " + text
	}
	if n.By != "" && n.Kind != "refused" { // whose text says who
		text += ", by " + n.By
	}
	p.print("%s  %s  %s  %s\n", n.Time.UTC().Format(time.RFC3339), p.severity(n.Severity), n.Kind, text)
	for _, line := range n.Detail {
		p.print("    %s\n", line)
	}
	for _, line := range n.Next {
		p.print("    %s\n", line)
	}
}

// few bounds the clusters that a line names.
const few = 3

func clusterNames(n watch.Notice) string {
	var names []string
	for _, c := range n.Clusters {
		names = append(names, c.Name())
	}
	if len(names) > few {
		names = append(names[:few], fmt.Sprintf("%d more", len(names)-few))
	}
	return strings.Join(names, ", ")
}

func (p *printer) severity(s finding.Severity) styled {
	colour := dim
	switch s {
	case finding.Error:
		colour = red
	case finding.Warning:
		colour = yellow
	}
	return p.paint(pad(string(s), len(finding.Warning)), colour)
}
