package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"aksid/internal/failure"
	"aksid/internal/finding"
	"aksid/internal/remedy"
)

// Failures is what was read out of logs, events and error texts, and the contract of its JSON form.
type Failures struct {
	SchemaVersion string            `json:"schemaVersion"`
	From          string            `json:"from,omitempty"`    // the estate that they were judged with
	Dropped       int               `json:"dropped,omitempty"` // occurrences of further failures that were too many to keep
	Failures      []failure.Failure `json:"failures"`
}

// NewFailures makes a result of failures: changes become commands.
func NewFailures(list []failure.Failure, from string, dropped int) Failures {
	r := Failures{SchemaVersion: SchemaVersion, From: from, Dropped: dropped, Failures: []failure.Failure{}}
	for _, f := range list {
		var az []string
		for _, c := range f.Remedy.Changes {
			az = append(az, remedy.Az(c)...)
		}
		f.Remedy.Az = append(az, f.Remedy.Az...)
		if f.Remedy.Az == nil {
			f.Remedy.Az = []string{}
		}
		r.Failures = append(r.Failures, f)
	}
	return r
}

// PrintFailures shows failures to a person: what is the matter, what to do and how often it was seen; then the proof;
// then the commands; then the document.
func (t Table) PrintFailures(w io.Writer, r Failures) error {
	p := &printer{colour: t.Colour}
	for _, f := range r.Failures {
		p.failure(f)
	}
	if len(r.Failures) == 0 {
		p.print("No failure of an Azure identity was recognised, and none that is taken for one.\n")
	}
	if r.Dropped > 0 {
		p.print("%s of further failures were only counted.\n", plural(r.Dropped, "occurrence"))
	}
	return p.flush(w)
}

func (p *printer) failure(f failure.Failure) {
	symbol := p.paint("✗", red)
	if !f.IdentityRelated {
		symbol = p.paint("·", yellow)
	}
	p.print("%s %s   %s\n", symbol, p.paint(headline(f), bold), p.paint(string(f.Kind), dim))
	for _, line := range []string{f.Remedy.Advice, occurrences(f)} {
		if line != "" {
			p.print("  %s\n", line)
		}
	}
	p.print("\n")
	p.facts(proof(f))
	for i, command := range append(f.Remedy.Az, f.Remedy.Next...) {
		label := ""
		switch i {
		case len(f.Remedy.Az):
			label = "look at"
		case 0:
			label = "do"
		}
		p.print("  %s  %s\n", p.paint(pad(label, 8), dim), command)
	}
	if f.Source != "" {
		p.print("  %s  %s\n", p.paint(pad("source", 8), dim), f.Source)
	}
	p.print("\n")
}

func (p *printer) facts(rows facts) {
	for _, row := range rows {
		p.print("  %s  %s\n", p.paint(pad(row.label, 8), dim), row.text)
	}
}

// headline is the answer in one line.
func headline(f failure.Failure) string {
	if f.IdentityRelated {
		return f.Cause
	}
	return "Not identity. " + f.Cause
}

// occurrences says how often a failure was seen and what it holds up.
func occurrences(f failure.Failure) string {
	var parts []string
	if f.Count > 1 {
		parts = append(parts, plural(f.Count, "time"))
	}
	if f.FirstSeen != nil && f.LastSeen != nil {
		parts = append(parts, span(*f.FirstSeen, *f.LastSeen))
	}
	out := strings.Join(parts, ", ")
	if out != "" {
		out = "Seen " + out + "."
	}
	for _, c := range f.Consequences {
		out += fmt.Sprintf(" Meanwhile %s (seen %s).", c.Text, plural(c.Count, "time"))
	}
	return strings.TrimSpace(out)
}

func span(first, last time.Time) string {
	const minute = "2006-01-02 15:04"
	if first.Format(minute) == last.Format(minute) {
		return "at " + first.UTC().Format(minute) + " UTC"
	}
	return first.UTC().Format(minute) + " to " + last.UTC().Format(minute) + " UTC"
}

// facts are labelled lines.
type facts []struct{ label, text string }

// add adds values, of which only the first has the label; empty ones are left out.
func (f *facts) add(label string, values ...string) {
	for _, v := range values {
		if v != "" {
			*f = append(*f, struct{ label, text string }{label, v})
			label = ""
		}
	}
}

// proof is what the text and the estate say.
func proof(f failure.Failure) (out facts) {
	out.add("code", f.Code)
	out.add("who", who(f)...)
	out.add("missing", f.Actions...)
	out.add("at", f.LinkedScopes...)
	if len(f.LinkedScopes) > 0 {
		out.add("held on", f.Scopes...)
	} else {
		out.add("at", f.Scopes...)
	}
	out.add("target", f.Target)
	if fed := f.Federation; fed != nil {
		out.add("issuer", fed.Issuer)
		out.add("subject", fed.Subject)
		out.add("audience", fed.Audience)
	}
	if f.Deny != nil {
		out.add("deny", f.Deny.Name, f.Deny.Scope)
	}
	for _, p := range f.Policies {
		out.add("policy", p.Definition+assignedAs(p))
		out.add("because", p.Values...)
	}
	out.add("breaks", f.Breaks)
	if v := f.Verdict; v != nil {
		out.add("now", strings.TrimSpace(string(v.State)+": "+v.Reason))
		out.add("close", v.NearMisses...)
	}
	return out
}

func assignedAs(p failure.Policy) string {
	if p.Assignment == "" || p.Assignment == p.Definition {
		return ""
	}
	return ", assigned as " + p.Assignment
}

// who is whose identity it is, as far as that is known.
func who(f failure.Failure) []string {
	if id := f.Identity; id != nil {
		return []string{fmt.Sprintf("%s identity %s of cluster %s", id.Role, id.Name, id.Cluster.Name()), "principal " + id.PrincipalID.String()}
	}
	if !f.IdentityRelated {
		return nil
	}
	var out []string
	if f.Actor != failure.Nobody {
		out = append(out, string(f.Actor)+alternatives(f.ActorAlt))
	}
	if f.ObjectID != "" {
		out = append(out, "object id "+f.ObjectID)
	}
	if f.Client != "" && f.Client != f.ObjectID {
		out = append(out, "client "+f.Client)
	}
	return out
}

func alternatives(alt []failure.Actor) string {
	var names []string
	for _, a := range alt {
		if a != failure.Nobody {
			names = append(names, string(a))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (may also be " + strings.Join(names, ", ") + ")"
}

// MarkdownFailures shows failures for a ticket.
func MarkdownFailures(w io.Writer, r Failures) error {
	p := &printer{}
	for _, f := range r.Failures {
		p.print("### %s\n\n", markdown(headline(f)))
		for _, line := range []string{f.Remedy.Advice, occurrences(f)} {
			if line != "" {
				p.print("%s\n\n", markdown(line))
			}
		}
		p.print("| | |\n|---|---|\n| kind | %s |\n", string(f.Kind))
		for _, row := range proof(f) {
			p.print("| %s | %s |\n", row.label, code(row.text))
		}
		if f.Source != "" {
			p.print("| source | %s |\n", markdown(f.Source))
		}
		p.commands(append(f.Remedy.Az, f.Remedy.Next...))
		p.print("\n")
	}
	if len(r.Failures) == 0 {
		p.print("No failure of an Azure identity was recognised.\n")
	}
	return p.flush(w)
}

// Codes is what the catalogue says of a code, and the contract of its JSON form. One code may have several meanings.
type Codes struct {
	SchemaVersion string `json:"schemaVersion"`
	Codes         []Code `json:"codes"`
}

// Code is one meaning of a code, or a rule of check.
type Code struct {
	Name     string             `json:"name"`
	Also     []string           `json:"also,omitempty"` // other spellings
	Kind     failure.Kind       `json:"kind,omitempty"` // of a failure
	Status   int                `json:"status,omitempty"`
	Identity bool               `json:"identityRelated"`
	Means    string             `json:"means"`
	Not      string             `json:"not,omitempty"`
	Remedy   failure.Remedy     `json:"remedy"`
	Texts    []string           `json:"texts,omitempty"`     // as Azure words it
	Related  []finding.Relative `json:"relatives,omitempty"` // of a rule
	Source   string             `json:"source"`
}

// NewCodes is what the catalogue and the rules of check say of a name; without Codes it is neither.
func NewCodes(name string) Codes {
	r := Codes{SchemaVersion: SchemaVersion, Codes: []Code{}}
	for _, c := range failure.Named(name) {
		row := Code{Name: c.Name, Also: c.Also, Kind: c.Kind, Status: c.Status, Identity: c.Kind.BlamesIdentity(), Means: c.Means, Not: c.Not,
			Remedy: failure.Remedy{Advice: c.Advice, Az: append([]string{}, c.Example()...)}, Source: c.Source}
		for _, m := range c.Messages() {
			row.Texts = append(row.Texts, m.Text)
		}
		r.Codes = append(r.Codes, row)
	}
	for _, rule := range finding.Rules() {
		if strings.EqualFold(rule.ID, name) {
			r.Codes = append(r.Codes, Code{Name: rule.ID, Identity: true, Means: rule.Title + ". " + because(rule), Remedy: failure.Remedy{Az: []string{}}, Source: rule.Source, Related: rule.Relatives()})
		}
	}
	return r
}

// PrintCodes shows what a code means to a person.
func (t Table) PrintCodes(w io.Writer, r Codes) error {
	p := &printer{colour: t.Colour}
	for _, c := range r.Codes {
		p.print("%s   %s\n", p.paint(c.Name, bold), p.paint(c.subtitle(), dim))
		for _, line := range []string{c.Means, c.Not, c.Remedy.Advice} {
			if line != "" {
				p.print("  %s\n", line)
			}
		}
		p.print("\n")
		p.facts(c.facts())
		p.print("\n")
	}
	return p.flush(w)
}

// MarkdownCodes shows what a code means for a ticket.
func MarkdownCodes(w io.Writer, r Codes) error {
	p := &printer{}
	for _, c := range r.Codes {
		p.print("### %s (%s)\n\n", markdown(c.Name), markdown(c.subtitle()))
		for _, line := range []string{c.Means, c.Not, c.Remedy.Advice} {
			if line != "" {
				p.print("%s\n\n", markdown(line))
			}
		}
		p.print("Source: %s\n", markdown(c.Source))
		if len(c.Related) > 0 {
			p.print("\nRelated: %s\n", markdown(strings.Join(names(c.Related), ", ")))
		}
		p.commands(c.Remedy.Az)
		p.print("\n")
	}
	return p.flush(w)
}

func (c Code) subtitle() string {
	parts := []string{string(c.Kind)}
	if c.Kind == "" {
		parts[0] = "rule of check"
	}
	if c.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", c.Status))
	}
	if !c.Identity {
		parts = append(parts, "not identity")
	}
	return strings.Join(parts, ", ")
}

func (c Code) facts() (out facts) {
	out.add("also", strings.Join(c.Also, ", "))
	out.add("text", c.Texts...)
	out.add("do", c.Remedy.Az...)
	out.add("source", c.Source)
	out.add("related", names(c.Related)...)
	return out
}

// names are what relatives are called.
func names(relatives []finding.Relative) []string {
	var out []string
	for _, x := range relatives {
		out = append(out, x.Catalogue+" "+x.ID)
	}
	return out
}
