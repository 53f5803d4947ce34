package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
)

// Table says how a result is shown to a person.
type Table struct {
	Colour bool
	Took   func() time.Duration // how long the check took; nil: not shown
}

// print shows a report: for each cluster its identities and what is wrong, the consequence before the cause and the remedy
// as lines to copy; then what could not be read, and the sum of it all.
func (t Table) print(w io.Writer, r Report) error {
	p := &printer{colour: t.Colour}
	for c := range r.Clusters {
		p.cluster(c)
		if err := p.flush(w); err != nil {
			return err
		}
	}
	if r.tally.Clusters == 0 {
		p.print("No clusters.\n\n")
	}
	p.incomplete(r.Incomplete)
	p.print("%s", r.tally.String())
	if t.Took != nil {
		p.print(" %.1f s", t.Took().Seconds())
	}
	p.print("\n")
	if text := r.advice(); text != "" {
		p.print("%s\n", text)
	}
	return p.flush(w)
}

// printer writes text in which nothing but its own formats and styled parts can steer a terminal.
type printer struct {
	strings.Builder
	colour bool
}

// flush writes what has been printed since the last time.
func (p *printer) flush(w io.Writer) error {
	_, err := io.WriteString(w, p.String())
	p.Reset()
	return err
}

// styled is text of our own, or cleaned text in colour.
type styled string

func (p *printer) print(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = plain.Text(s)
		}
	}
	fmt.Fprintf(p, format, args...)
}

// Colours, as terminals know them (ECMA-48). What they say, a symbol or a word says as well.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *printer) paint(s, colour string) styled {
	if !p.colour {
		return styled(plain.Text(s))
	}
	return styled("\x1b[" + colour + "m" + plain.Text(s) + "\x1b[0m")
}

func (p *printer) heading(s string) { p.print("%s\n", p.paint(s, bold)) }

func (p *printer) cluster(c Cluster) {
	p.print("%s · %s\n\n", p.paint(c.Name, bold), c.where())
	p.identities(c.Identities)
	breaks, other := c.split()
	p.findings("What breaks", breaks)
	p.findings("What to look at", other)
	p.accepted(c.Accepted)
	if len(c.Findings) == 0 {
		p.print("%s %s\n\n", p.paint("✓", green), needsMet(c.Requirements))
	}
}

// where says where a cluster is.
func (c Cluster) where() string {
	parts := []string{c.ResourceGroup, c.Location, c.SubscriptionName + " subscription"}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

// split tells what breaks from the other findings.
func (c Cluster) split() (breaks, other []Finding) {
	for _, f := range c.Findings {
		if f.Severity == finding.Error {
			breaks = append(breaks, f)
		} else {
			other = append(other, f)
		}
	}
	return breaks, other
}

// needsMet speaks of the needs where no finding does.
func needsMet(rs []Requirement) string {
	granted := 0
	for _, q := range rs {
		if q.Status == finding.Granted {
			granted++
		}
	}
	switch n := len(rs); {
	case n == 0:
		return "Nothing that was looked at needs a role."
	case granted < n:
		return fmt.Sprintf("%d of the %d things that it needs or may need are granted.", granted, n)
	case n == 1:
		return "The one thing that it needs is granted."
	default:
		return fmt.Sprintf("All %d things that it needs are granted.", n)
	}
}

// kinds is what a person calls the kinds of identities.
var kinds = map[string]string{
	estate.SystemAssigned: "system-assigned", estate.UserAssigned: "user-assigned", estate.ServicePrincipalSecret: "with a secret",
}

func (p *printer) identities(ids []Identity) {
	p.heading("Identities")
	if len(ids) == 0 {
		p.print("  none that the cluster's document names\n")
	}
	label, name := len("control plane"), 0
	for _, i := range ids {
		label, name = max(label, utf8.RuneCountInString(i.label)), max(name, utf8.RuneCountInString(i.Name))
	}
	for _, i := range ids {
		principal := "principal not known"
		if i.PrincipalID != nil {
			principal = "principal " + i.principal()[:8] + "-…"
		}
		p.print("  %s   %-15s  %s   %s\n", pad(i.label, label), kinds[i.Kind], pad(i.Name, name), principal)
		p.roles(strings.Repeat(" ", label+5), i)
	}
	p.print("\n")
}

// principal is the object id, or says that it is not known.
func (i Identity) principal() string {
	if i.PrincipalID == nil {
		return "not known"
	}
	return i.PrincipalID.String()
}

// status says in words whether a need is met.
func (q Requirement) status() string {
	if q.Needed == catalogue.Maybe {
		return "perhaps needed, " + string(q.Status)
	}
	return string(q.Status)
}

// resourceGroup is how estate.Place begins for resource groups.
const resourceGroup = "resource group "

// maxRoles bounds the roles shown of one identity.
const maxRoles = 12

func (p *printer) roles(indent string, i Identity) {
	if i.PrincipalID != nil && len(i.Assignments) == 0 {
		p.print("%sno roles\n", indent)
	}
	for n, a := range i.Assignments {
		if n == maxRoles {
			p.print("%sand %d more; -o json has them all\n", indent, len(i.Assignments)-n)
			return
		}
		p.print("%s%s on %s%s\n", indent, a.Role, strings.TrimPrefix(a.place, resourceGroup), notes(a))
	}
}

// notes is what is special about an assignment, in parentheses.
func notes(a Assignment) string {
	if s := special(a); s != "" {
		return " (" + s + ")"
	}
	return ""
}

func special(a Assignment) string {
	var out []string
	if a.ByAKS {
		out = append(out, "granted by AKS")
	}
	if a.Via != "" {
		out = append(out, "through group "+a.Via)
	}
	if a.Condition != "" {
		out = append(out, "under a condition")
	}
	return strings.Join(out, ", ")
}

func (p *printer) findings(title string, fs []Finding) {
	if len(fs) == 0 {
		return
	}
	p.heading(title)
	const most = 66 // keeps the names of the rules on the screen
	width := 0
	for _, f := range fs {
		width = max(width, min(most, utf8.RuneCountInString(f.Title)))
	}
	for _, f := range fs {
		f = f.brief()
		p.print("  %s %s   %s\n", p.symbol(f.Severity), pad(f.Title, width), p.paint(f.Rule, dim))
		if f.Detail != "" {
			p.print("    %s\n", f.Detail)
		}
		for _, line := range f.Consequences {
			p.print("    → %s\n", line)
		}
		if len(f.Written) > 0 {
			p.print("    %s\n", f.Written[0].String())
		}
		for _, line := range f.Remedy.lines() {
			p.print("    %s\n", line)
		}
	}
	p.print("\n")
}

// accepted are findings that somebody lives with: in a line each, with who answers for it and until when.
func (p *printer) accepted(fs []Finding) {
	if len(fs) == 0 {
		return
	}
	p.heading("What is accepted")
	for _, f := range fs {
		p.print("  %s %s   %s\n    %s\n", p.paint("~", dim), f.Title, p.paint(f.Rule, dim), acceptance(f))
	}
	p.print("\n")
}

// acceptance says until when and why a finding is accepted, and by whom.
func acceptance(f Finding) string {
	return fmt.Sprintf("until %s, says %s: %s", f.Accepted.Until.Format(time.DateOnly), f.Accepted.Owner, f.Accepted.Reason)
}

// symbols say how bad something is where colours do not.
var symbols = map[finding.Severity]string{finding.Error: "✗", finding.Warning: "!", finding.Note: "·"}

func (p *printer) symbol(s finding.Severity) styled {
	switch s {
	case finding.Error:
		return p.paint(symbols[s], red)
	case finding.Warning:
		return p.paint(symbols[s], yellow)
	}
	return styled(symbols[s])
}

func (p *printer) incomplete(list []estate.Incomplete) {
	if len(list) == 0 {
		return
	}
	p.heading("What could not be read")
	for _, i := range list {
		p.print("  ? %s (%s)\n", i.What, i.Why)
		if i.Right != "" {
			p.print("    it takes %s\n", i.Right)
		}
	}
	p.print("\n")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
