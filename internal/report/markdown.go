package report

import (
	"io"
	"strings"

	"aksid/internal/finding"
	"aksid/internal/plain"
)

// markdown prints a report for a change ticket: what it comes to; then of each cluster what is wrong and what mends it,
// its identities and what they need; then what could not be read.
func (r Report) markdown(w io.Writer) error {
	p := &printer{}
	p.print("# Identities of AKS clusters\n\n%s.\n\n", markdown(r.made()))
	p.markdownOverview(r.overview())
	p.print("%s\n", r.tally.String())
	if text := r.advice(); text != "" {
		p.print("\n**%s**\n", markdown(text))
	}
	for c := range r.Clusters {
		p.markdownCluster(c)
		if err := p.flush(w); err != nil {
			return err
		}
	}
	if len(r.Incomplete) > 0 {
		p.print("\n## What could not be read\n\n")
	}
	for _, i := range r.Incomplete {
		p.print("- %s (%s)", markdown(i.What), markdown(i.Why))
		if i.Right != "" {
			p.print("; it takes %s", code(i.Right))
		}
		p.print("\n")
	}
	return p.flush(w)
}

// row is a cluster in an overview.
type row struct {
	Cluster
	Severities map[finding.Severity]int
}

// overview looks at every cluster in advance, and keeps little of each.
func (r Report) overview() []row {
	var rows []row
	for c := range r.Clusters {
		n := c.severities()
		c.Identities, c.Requirements, c.Findings, c.Accepted = nil, nil, nil, nil
		rows = append(rows, row{c, n})
	}
	return rows
}

func (p *printer) markdownOverview(rows []row) {
	if len(rows) < 2 {
		return
	}
	p.print("| cluster | errors | warnings | notes |\n|---|---|---|---|\n")
	for _, r := range rows {
		p.print("| %s (%s) | %d | %d | %d |\n", markdown(r.Name), markdown(r.ResourceGroup), r.Severities[finding.Error], r.Severities[finding.Warning], r.Severities[finding.Note])
	}
	p.print("\n")
}

func (p *printer) markdownCluster(c Cluster) {
	p.print("\n## %s\n\n%s\n", markdown(c.Name), markdown(c.where()))
	breaks, other := c.split()
	p.markdownFindings("What breaks", breaks)
	p.markdownFindings("What to look at", other)
	if len(c.Accepted) > 0 {
		p.print("\n### What is accepted\n\n")
	}
	for _, f := range c.Accepted {
		p.print("- **%s** (%s) %s\n", markdown(f.Title), f.Rule, markdown(acceptance(f)))
	}
	if len(c.Findings) == 0 {
		p.print("\n%s\n", needsMet(c.Requirements))
	}
	if len(c.Identities) > 0 {
		p.print("\n### Identities\n\n| identity | kind | name | principal | roles |\n|---|---|---|---|---|\n")
	}
	for _, i := range c.Identities {
		var roles []string
		for _, a := range i.Assignments {
			roles = append(roles, markdown(a.Role+" on "+a.place+notes(a)))
		}
		p.print("| %s | %s | %s | %s | %s |\n", markdown(i.label), kinds[i.Kind], code(i.Name), i.principal(), strings.Join(roles, "<br>"))
	}
	if len(c.Requirements) > 0 {
		p.print("\n### What they need\n\n| for | identity | on | role | status |\n|---|---|---|---|---|\n")
	}
	for _, q := range c.Requirements {
		p.print("| %s | %s | %s | %s | %s |\n", markdown(q.Feature), markdown(q.by), markdown(q.place), markdown(q.Role), markdown(strings.TrimSuffix(q.status()+": "+q.Reason, ": ")))
	}
}

func (p *printer) markdownFindings(title string, fs []Finding) {
	if len(fs) > 0 {
		p.print("\n### %s\n", title)
	}
	for _, f := range fs {
		f = f.brief()
		p.print("\n**%s** (%s)\n", markdown(f.Title), f.Rule)
		if f.Detail != "" {
			p.print("\n%s\n", markdown(f.Detail))
		}
		if len(f.Consequences) > 0 {
			p.print("\n")
		}
		for _, line := range f.Consequences {
			p.print("- %s\n", markdown(line))
		}
		if len(f.Written) > 0 {
			p.print("\nWritten in %s\n", code(f.Written[0].String()))
		}
		p.commands(f.Remedy.lines())
	}
}

func (p *printer) commands(list []string) {
	if len(list) == 0 {
		return
	}
	p.print("\n```sh\n")
	for _, c := range list {
		p.print("%s\n", strings.ReplaceAll(c, "```", ""))
	}
	p.print("```\n")
}

var (
	inText = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "://", `:\//`)
	inCode = strings.NewReplacer("`", "'", "|", `\|`)
)

// markdown keeps a text from being read as anything but text, links included.
func markdown(s string) string { return inText.Replace(plain.Text(s)) }

// code sets a value as code, which no character of it can end.
func code(s string) string { return "`" + inCode.Replace(plain.Text(s)) + "`" }
