package report

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
)

//go:embed page
var files embed.FS

// page is the report as a web page: one file, without scripts, that reads nothing from anywhere.
var page = template.Must(template.ParseFS(files, "page/page.gohtml"))

// style is the page's only style, and policy lets a browser use nothing but it.
var style, policy = func() (template.CSS, string) {
	css, _ := files.ReadFile("page/style.css") // it is embedded
	sum := sha256.Sum256(css)
	return template.CSS(css), fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
}()

// The values of the page's templates. Their texts are cleaned, and escaped by html/template.
type (
	pageHead struct {
		Policy string
		Style  template.CSS
		Made   string
		Sum    string
		Advice string // before a change
		Rows   []pageRow
	}
	pageRow struct {
		Name, Where string
		Counts      []int // of the severities
	}
	pageCluster struct {
		Index                   int
		Name, Where             string
		ID                      string
		Breaks, Other, Accepted []pageFinding
		Fine                    string // without findings: what is granted
		Map                     picture
		Identities              []pageIdentity
		Needs                   []pageNeed
	}
	pageFinding struct {
		Anchor           string
		Class            finding.Severity
		Symbol, Severity string
		Title, Detail    string
		Consequences     []string
		Written          string
		Accepted         string
		Commands         string
		Rule             string
		Why, Source      string
		Related          string
	}
	pageIdentity struct {
		Label, Kind, Name, Principal string
		Roles                        []string
		None                         string // said where there are no roles
	}
	pageNeed struct{ For, By, On, Role, Class, Symbol, Status, Reason string }
	pageTail struct{ Incomplete []estate.Incomplete }
)

func (r Report) html(w io.Writer) error {
	out := bufio.NewWriter(w) // templates write in small pieces
	head := pageHead{Policy: policy, Style: style, Made: plain.Text(r.made())}
	for _, c := range r.overview() {
		row := pageRow{Name: plain.Text(c.Name), Where: plain.Text(c.where())}
		for _, s := range finding.Severities {
			row.Counts = append(row.Counts, c.Severities[s])
		}
		head.Rows = append(head.Rows, row)
	}
	head.Sum, head.Advice = r.tally.String(), plain.Text(r.advice())
	if err := page.ExecuteTemplate(out, "head", head); err != nil {
		return err
	}
	index := 0
	for c := range r.Clusters {
		if err := page.ExecuteTemplate(out, "cluster", pageOf(c, index)); err != nil {
			return err
		}
		index++
	}
	tail := pageTail{}
	for _, i := range r.Incomplete {
		tail.Incomplete = append(tail.Incomplete, estate.Incomplete{What: plain.Text(i.What), Why: plain.Text(i.Why), Right: plain.Text(i.Right)})
	}
	if err := page.ExecuteTemplate(out, "tail", tail); err != nil {
		return err
	}
	return out.Flush()
}

func pageOf(c Cluster, index int) pageCluster {
	out := pageCluster{Index: index, Name: plain.Text(c.Name), Where: plain.Text(c.where()), ID: plain.Text(c.ID.String()), Map: draw(c, index)}
	for i, f := range slices.Concat(c.Findings, c.Accepted) {
		p := pageFindingOf(f)
		p.Anchor = fmt.Sprintf("c%d-finding%d", index, i)
		switch {
		case f.Accepted != nil:
			out.Accepted = append(out.Accepted, p)
		case f.Severity == finding.Error:
			out.Breaks = append(out.Breaks, p)
		default:
			out.Other = append(out.Other, p)
		}
	}
	if len(c.Findings) == 0 {
		out.Fine = needsMet(c.Requirements)
	}
	for _, i := range c.Identities {
		out.Identities = append(out.Identities, pageIdentityOf(i))
	}
	for _, q := range c.Requirements {
		need := pageNeed{For: plain.Text(q.Feature), By: plain.Text(q.by), On: plain.Text(q.place), Role: plain.Text(q.Role), Status: q.status(), Reason: plain.Text(q.Reason)}
		need.Class, need.Symbol = mark(q)
		out.Needs = append(out.Needs, need)
	}
	return out
}

func pageFindingOf(f Finding) pageFinding {
	f = f.brief()
	p := pageFinding{Class: f.Severity, Symbol: symbols[f.Severity], Severity: strings.ToUpper(string(f.Severity[:1])) + string(f.Severity[1:]),
		Title: plain.Text(f.Title), Detail: plain.Text(f.Detail), Rule: f.Rule}
	if f.Accepted != nil {
		p.Accepted = plain.Text(acceptance(f))
	}
	if len(f.Written) > 0 {
		p.Written = plain.Text(f.Written[0].String())
	}
	for _, line := range f.Consequences {
		p.Consequences = append(p.Consequences, plain.Text(line))
	}
	var commands []string
	for _, line := range f.Remedy.lines() {
		commands = append(commands, plain.Text(line))
	}
	p.Commands = strings.Join(commands, "\n")
	rule := rules[f.Rule]
	p.Why, p.Source, p.Related = because(rule), rule.Source, strings.Join(names(rule.Relatives()), ", ")
	return p
}

func pageIdentityOf(i Identity) pageIdentity {
	p := pageIdentity{Label: plain.Text(i.label), Kind: kinds[i.Kind], Name: plain.Text(i.Name), Principal: i.principal(), None: "none"}
	if i.PrincipalID == nil {
		p.None = "not known"
	}
	for _, a := range i.Assignments {
		p.Roles = append(p.Roles, plain.Text(a.Role+" on "+a.place+notes(a)))
	}
	return p
}

// mark is how a need's status looks: a class of the style and a symbol.
func mark(q Requirement) (class, symbol string) {
	switch {
	case q.Status == finding.Granted:
		return "good", "✓"
	case q.Status == finding.Unknown:
		return "warning", "?"
	case q.Needed == catalogue.Maybe:
		return "note", "·"
	}
	return "error", "✗"
}
