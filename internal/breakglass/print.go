package breakglass

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"aksid/internal/azure"
)

// Text is a request as a person reads it.
func (c *Case) Text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", c.ID, c.state(now))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("cluster", "%s", c.Asked.Cluster)
	row("for", "%s", c.Asked.reason())
	row("why", "%s", c.Why)
	for i, g := range c.Asked.Grants {
		row("role", "%s for %s (%s)%s", g.RoleName, g.PrincipalName, g.PrincipalType, way(c.Given[i]))
		row("  on", "%s", g.Scope)
		if g.Custom != nil {
			row("  of", "%s", join(append(filled(g.Custom.Actions), g.Custom.DataActions...)))
		}
	}
	row("asked", "%s by %s", instant(c.At), c.By.Label())
	if !c.Approver.Object.IsZero() {
		row("approved", "by %s", c.Approver.Label())
	}
	if c.Failure != "" {
		row("refused", "%s", c.Failure)
	}
	return b.String()
}

func way(g Given) string {
	switch g.How {
	case Active:
		return ", active through PIM"
	case Eligible:
		return ", eligible through PIM"
	case Assignment:
		return ", assigned with a mark"
	}
	return ""
}

// state is the state with its time.
func (c *Case) state(now time.Time) string {
	switch s := c.State(now); s {
	case Waiting:
		return fmt.Sprintf("%s for approval until %s, for %s", s, instant(c.At.Add(waits)), c.Asked.For)
	case Approved:
		return fmt.Sprintf("%s until %s, but not known to be given whole; run approve again", s, instant(c.Until))
	case InForce:
		return fmt.Sprintf("%s until %s", s, instant(c.Until))
	case Over:
		return fmt.Sprintf("%s since %s, when PIM ended it", s, instant(c.Until))
	case Overdue:
		return fmt.Sprintf("%s since %s; run aksid breakglass expire", s, instant(c.Until))
	case Ended, Withdrawn:
		return fmt.Sprintf("%s %s by %s", s, instant(c.End.At), c.End.By.Label())
	default:
		return string(s)
	}
}

func (a Asked) reason() string {
	if a.Rule != "" {
		return "finding " + a.Rule
	}
	return "need " + a.Need
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func join(actions []azure.Action) string {
	var out []string
	for _, x := range actions {
		out = append(out, string(x))
	}
	return strings.Join(out, ", ")
}

// Listing is requests as JSON, and the contract of that form.
type Listing struct {
	SchemaVersion string     `json:"schemaVersion"`
	Requests      []Document `json:"requests"` // in the order in which they were made
}

// Document is a request.
type Document struct {
	ID       string          `json:"id"`
	State    State           `json:"state"`
	Cluster  azure.ID        `json:"cluster"`
	Rule     string          `json:"finding,omitempty"`
	Need     string          `json:"need,omitempty"`
	Why      string          `json:"why"`
	For      Span            `json:"for"`
	Until    time.Time       `json:"until,omitzero"`
	Asked    time.Time       `json:"requestedAt"`
	By       Person          `json:"requestedBy"`
	Approver *Person         `json:"approvedBy,omitempty"`
	Failure  string          `json:"refused,omitempty"`
	Grants   []DocumentGrant `json:"grants"`
	Steps    []Entry         `json:"steps"` // as they stand in the record
}

// DocumentGrant is a role of a request, and how it was given.
type DocumentGrant struct {
	Wanted   Wanted   `json:"wanted"`
	How      How      `json:"how,omitempty"`     // none: it is not known to be given
	Resource azure.ID `json:"resource,omitzero"` // what was written for it
}

func (c *Case) document(now time.Time) Document {
	d := Document{ID: c.ID, State: c.State(now), Cluster: c.Asked.Cluster, Rule: c.Asked.Rule, Need: c.Asked.Need, Why: c.Why, For: c.Asked.For,
		Until: c.Until, Asked: c.At, By: c.By, Failure: c.Failure, Steps: c.Steps}
	if !c.Approver.Object.IsZero() {
		d.Approver = &c.Approver
	}
	for i, g := range c.Asked.Grants {
		d.Grants = append(d.Grants, DocumentGrant{g, c.Given[i].How, c.Given[i].Resource})
	}
	return d
}

// JSON writes requests with their steps.
func JSON(w io.Writer, cases []*Case, now time.Time) error {
	all := Listing{"1", []Document{}}
	for _, c := range cases {
		all.Requests = append(all.Requests, c.document(now))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}

// Markdown writes requests as a table.
func Markdown(w io.Writer, cases []*Case, now time.Time) error {
	var b strings.Builder
	b.WriteString("| request | state | cluster | for | roles | requested by | approved by |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range cases {
		var roles []string
		for _, g := range c.Asked.Grants {
			roles = append(roles, fmt.Sprintf("%s on %s for %s", g.RoleName, g.Scope.Name(), g.PrincipalName))
		}
		approver := ""
		if !c.Approver.Object.IsZero() {
			approver = c.Approver.Label()
		}
		var cells []string
		for _, v := range []string{c.ID, c.state(now), c.Asked.Cluster.Name(), c.Asked.reason() + ": " + c.Why, strings.Join(roles, "; "), c.By.Label(), approver} {
			cells = append(cells, cell(v))
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps a text inside its cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", "\n", " ", "\r", " ", "`", "\\`").Replace(s)
}
