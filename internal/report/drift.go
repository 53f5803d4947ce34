package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"aksid/internal/azure"
	"aksid/internal/drift"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
	"aksid/internal/remedy"
)

// Drift is what a comparison of environments came to, and the contract of its JSON form.
type Drift struct {
	SchemaVersion string        `json:"schemaVersion"`
	Environments  []Environment `json:"environments"` // in the order of releases
	Groups        []DriftGroup  `json:"groups"`
}

// Environment is a set of clusters that is compared with others.
type Environment struct {
	Name       string              `json:"name"`
	From       string              `json:"from"`     // azure, local, or the path that was read
	Clusters   int                 `json:"clusters"` // how many
	Incomplete []estate.Incomplete `json:"incomplete"`
}

// DriftGroup are the clusters of one role, and how they differ.
type DriftGroup struct {
	Role        string            `json:"role"`
	Clusters    []*azure.ID       `json:"clusters"` // by environment; null where it has none
	Breaks      []DriftBreak      `json:"breaks"`   // the worst first
	Differences []DriftDifference `json:"differences"`
	Unknown     []DriftUnknown    `json:"unknown"` // what could not be compared
}

// DriftBreak is something that fails in one environment and not in another.
type DriftBreak struct {
	Environment string           `json:"environment"` // where
	Has         string           `json:"has"`         // the environment that has what is lacking here
	Now         bool             `json:"now"`         // it fails already; otherwise once a release from there gets here
	Severity    finding.Severity `json:"severity"`
	Rule        string           `json:"rule"` // of check, that finds it or would
	Title       string           `json:"title"`
	Detail      string           `json:"detail"`
	Feature     string           `json:"feature"`
	Remedy      Remedy           `json:"remedy"`
}

// DriftDifference is something that is not the same in all environments.
type DriftDifference struct {
	Area     drift.Area       `json:"area"`
	What     string           `json:"what"`
	Rule     string           `json:"rule,omitempty"` // of check, for findings
	Severity finding.Severity `json:"severity"`
	Values   []string         `json:"values"` // by environment; empty: none, or it has no such cluster; ?: it could not be told
	Told     bool             `json:"told"`   // a break says already what comes of it
}

// DriftUnknown is something that could not be compared.
type DriftUnknown struct {
	Environment string `json:"environment"` // the one that does not tell
	What        string `json:"what"`
	Why         string `json:"why"`
}

// NewDrift makes the report of a comparison.
func NewDrift(envs []drift.Environment, groups []drift.Group) Drift {
	r := Drift{SchemaVersion: SchemaVersion, Groups: []DriftGroup{}}
	for _, e := range envs {
		r.Environments = append(r.Environments, Environment{e.Name, e.Estate.From, len(e.Clusters), filled(e.Estate.Incomplete)})
	}
	for _, g := range groups {
		out := DriftGroup{Role: g.Role, Breaks: []DriftBreak{}, Differences: []DriftDifference{}, Unknown: []DriftUnknown{}}
		for _, c := range g.Clusters {
			var id *azure.ID
			if c != nil {
				id = &c.ID
			}
			out.Clusters = append(out.Clusters, id)
		}
		for _, b := range g.Breaks {
			x := DriftBreak{envs[b.In].Name, envs[b.From].Name, b.Now, b.Severity, b.Rule, b.Title, b.Detail, b.Feature, Remedy{Az: []string{}}}
			for _, c := range b.Remedy {
				x.Remedy.Az = append(x.Remedy.Az, remedy.AzIn(envs[b.In].Estate, c)...)
			}
			out.Breaks = append(out.Breaks, x)
		}
		for _, d := range g.Differences {
			out.Differences = append(out.Differences, DriftDifference{d.Area, d.What, d.Rule, d.Severity, d.Values, d.Told})
		}
		for _, u := range g.Unknown {
			out.Unknown = append(out.Unknown, DriftUnknown{envs[u.In].Name, u.What, u.Why})
		}
		r.Groups = append(r.Groups, out)
	}
	return r
}

// Fails reports whether there is a difference or a break at least as bad as a severity.
func (r Drift) Fails(on finding.Severity) bool {
	return slices.ContainsFunc(r.Groups, func(g DriftGroup) bool {
		return slices.ContainsFunc(g.Breaks, func(b DriftBreak) bool { return b.Severity.AtLeast(on) }) ||
			slices.ContainsFunc(g.Differences, func(d DriftDifference) bool { return d.Severity.AtLeast(on) })
	})
}

// Undecided reports whether something could not be compared.
func (r Drift) Undecided() bool {
	return slices.ContainsFunc(r.Groups, func(g DriftGroup) bool { return len(g.Unknown) > 0 })
}

// same reports whether there is nothing to say of a group.
func (g DriftGroup) same() bool {
	return len(g.Breaks) == 0 && len(g.Differences) == 0 && len(g.Unknown) == 0
}

// PrintDrift shows a comparison to a person: what breaks, then what differs, then what could not be compared.
func (t Table) PrintDrift(w io.Writer, r Drift) error {
	p := &printer{colour: t.Colour}
	for _, g := range r.Groups {
		if !g.same() || len(r.Groups) == 1 {
			p.driftGroup(r, g)
		}
	}
	if text := r.alike(); text != "" {
		p.print("The same in what matters: %s.\n", text)
	}
	p.print("%s\n", r.summary())
	return p.flush(w)
}

// alike names a few of the groups of which there is nothing to say, where there are others.
func (r Drift) alike() string {
	const few = 8
	var names []string
	for _, g := range r.Groups {
		if g.same() && len(r.Groups) > 1 {
			names = append(names, g.label())
		}
	}
	if more := len(names) - few; more > 0 {
		names = append(names[:few], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// label is what a person calls a group: its role, or where that is nothing its first cluster.
func (g DriftGroup) label() string {
	for _, id := range g.Clusters {
		if g.Role == "" && id != nil {
			return id.Name()
		}
	}
	return g.Role
}

// names are those of the environments.
func (r Drift) names() (names []string) {
	for _, e := range r.Environments {
		names = append(names, e.Name)
	}
	return names
}

func (p *printer) driftGroup(r Drift, g DriftGroup) {
	p.heading(strings.TrimPrefix(g.Role+" · ", " · ") + strings.Join(r.names(), " → "))
	width := 0
	for _, name := range r.names() {
		width = max(width, utf8.RuneCountInString(name))
	}
	for i, name := range r.names() {
		p.print("  %s  %s\n", pad(name, width), place(g.Clusters[i]))
	}
	p.print("\n")
	if g.same() {
		p.print("  The same in what matters.\n\n")
		return
	}
	for i, name := range r.names() {
		p.driftBreaks("What breaks when a release gets to "+name, g.breaksIn(name, false))
		p.driftBreaks("What fails in "+name+" and not everywhere", g.breaksIn(r.Environments[i].Name, true))
	}
	p.driftTable(r, g)
	if len(g.Unknown) > 0 {
		p.heading("What could not be compared")
	}
	for _, u := range g.Unknown {
		p.print("  ? %s: %s\n    not compared: %s\n", u.Environment, u.Why, u.What)
	}
	if len(g.Unknown) > 0 {
		p.print("\n")
	}
}

// place is a cluster in one line.
func place(id *azure.ID) string {
	if id == nil {
		return "no such cluster"
	}
	return fmt.Sprintf("%s (%s)", id.Name(), id.ResourceGroup())
}

func (g DriftGroup) breaksIn(environment string, now bool) (out []DriftBreak) {
	for _, b := range g.Breaks {
		if b.Environment == environment && b.Now == now {
			out = append(out, b)
		}
	}
	return out
}

func (p *printer) driftBreaks(title string, list []DriftBreak) {
	if len(list) == 0 {
		return
	}
	p.heading(title)
	for _, b := range list {
		p.print("  %s %s   %s\n    %s\n", p.symbol(b.Severity), b.Title, p.paint(b.Rule, dim), b.Detail)
		for _, line := range b.Remedy.Az {
			p.print("    %s\n", line)
		}
	}
	p.print("\n")
}

// shown are the differences that no break tells already.
func (g DriftGroup) shown() []DriftDifference {
	return slices.DeleteFunc(slices.Clone(g.Differences), func(d DriftDifference) bool { return d.Told })
}

// cell is a value as a person reads it.
func cell(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// driftTable has a column an environment; what is longer than a column goes on below.
func (p *printer) driftTable(r Drift, g DriftGroup) {
	list := g.shown()
	if len(list) == 0 {
		return
	}
	const line, label = 118, 40
	column := max(14, (line-label-4)/len(r.Environments)-2)
	p.heading("What differs")
	p.driftRow("    ", label, column, "", r.names())
	area := drift.Area("")
	for _, d := range list {
		if d.Area != area {
			area = d.Area
			p.print("  %s\n", p.paint(areaNames[area], dim))
		}
		values := make([]string, len(d.Values))
		for i, v := range d.Values {
			values[i] = cell(v)
		}
		p.driftRow("  "+string(p.symbol(d.Severity))+" ", label, column, d.What, values)
	}
	p.print("\n")
}

// areaNames are the headings of a table's parts.
var areaNames = map[drift.Area]string{
	drift.Clusters: "Clusters", drift.Identities: "Identities", drift.Roles: "Roles", drift.Findings: "Findings",
	drift.Features: "Features", drift.Registries: "Registries", drift.Network: "Network", drift.Kubernetes: "Kubernetes",
}

func (p *printer) driftRow(first string, label, column int, what string, values []string) {
	cells := [][]string{fold(what, label)}
	most := len(cells[0])
	for _, v := range values {
		lines := fold(v, column)
		cells, most = append(cells, lines), max(most, len(lines))
	}
	for n := range most {
		text := ""
		for i, lines := range cells {
			width, part := column, ""
			if i == 0 {
				width = label
			}
			if n < len(lines) {
				part = lines[n]
			}
			text += pad(part, width) + "  "
		}
		p.print("%s%s\n", styled(first), strings.TrimRight(text, " "))
		first = "    "
	}
}

// fold breaks a text between words into lines of a width; a longer word has a line of its own.
func fold(s string, width int) (lines []string) {
	for _, word := range strings.Fields(plain.Text(s)) {
		n := len(lines) - 1
		if n >= 0 && utf8.RuneCountInString(lines[n])+1+utf8.RuneCountInString(word) <= width {
			lines[n] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// summary is what a comparison came to, in one line.
func (r Drift) summary() string {
	breaks, differ, unknown := 0, 0, 0
	for _, g := range r.Groups {
		breaks, differ, unknown = breaks+len(g.Breaks), differ+len(g.shown()), unknown+len(g.Unknown)
	}
	if breaks+differ+unknown == 0 {
		return "No difference that matters."
	}
	return fmt.Sprintf("%s, %s, %d not comparable.", plural(breaks, "break"), plural(differ, "difference"), unknown)
}

// MarkdownDrift shows a comparison for where people file it.
func MarkdownDrift(w io.Writer, r Drift) error {
	p := &printer{}
	p.print("# %s\n\n%s\n", markdown(strings.Join(r.names(), " → ")), r.summary())
	for _, g := range r.Groups {
		if !g.same() || len(r.Groups) == 1 {
			p.markdownDrift(r, g)
		}
	}
	if text := r.alike(); text != "" {
		p.print("\nThe same in what matters: %s.\n", markdown(text))
	}
	return p.flush(w)
}

func (p *printer) markdownDrift(r Drift, g DriftGroup) {
	p.print("\n## %s\n\n| environment | cluster |\n| --- | --- |\n", markdown(g.label()))
	for i, name := range r.names() {
		p.print("| %s | %s |\n", markdown(name), markdown(place(g.Clusters[i])))
	}
	for _, b := range g.Breaks {
		when := "when a release gets to " + b.Environment
		if b.Now {
			when = "now in " + b.Environment
		}
		p.print("\n**%s**, %s (%s, %s)\n\n%s\n", markdown(b.Title), markdown(when), b.Severity, b.Rule, markdown(b.Detail))
		p.commands(b.Remedy.Az)
	}
	if list := g.shown(); len(list) > 0 {
		p.print("\n| | | %s |\n| --- | --- |%s\n", markdownCells(r.names()), strings.Repeat(" --- |", len(r.Environments)))
		for _, d := range list {
			values := make([]string, len(d.Values))
			for i, v := range d.Values {
				values[i] = cell(v)
			}
			p.print("| %s | %s | %s |\n", areaNames[d.Area], markdown(d.What), markdownCells(values))
		}
	}
	if len(g.Unknown) > 0 {
		p.print("\nNot comparable:\n\n")
	}
	for _, u := range g.Unknown {
		p.print("- %s: %s: %s\n", markdown(u.Environment), markdown(u.Why), markdown(u.What))
	}
}

func markdownCells(texts []string) string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = markdown(s)
	}
	return strings.Join(out, " | ")
}
