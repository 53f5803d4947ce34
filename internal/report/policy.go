package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/governance"
)

// PolicyAudit is how clusters stand with definitions of Azure Policy, the contract of "policy audit -o json".
type PolicyAudit struct {
	Opening
	Rows     []governance.Row `json:"rows"`     // of the definitions that were asked about
	Assigned []governance.Row `json:"assigned"` // of what is assigned in Azure and was read: what may refuse a write, and what files hold
	place    func(azure.ID) string
}

// NewPolicyAudit is an audit of an estate.
func NewPolicyAudit(e *estate.Estate, at time.Time, rows, assigned []governance.Row) PolicyAudit {
	var incomplete []estate.Incomplete
	for _, i := range e.Incomplete { // roles are nothing that policies ask for
		if i.Clusters || strings.Contains(strings.ToLower(i.What), "polic") {
			incomplete = append(incomplete, i)
		}
	}
	return PolicyAudit{
		Opening: opening(e, at, incomplete), Rows: append([]governance.Row{}, rows...), Assigned: append([]governance.Row{}, assigned...),
		place: func(id azure.ID) string { return e.Place(id, azure.ID{}) },
	}
}

// Count is how many of the rows that were asked about are in a state.
func (r PolicyAudit) Count(s governance.State) int {
	n := 0
	for _, row := range r.Rows {
		if row.State == s {
			n++
		}
	}
	return n
}

// Print writes the audit as table, markdown or json.
func (r PolicyAudit) Print(w io.Writer, format string, colour bool) error {
	return inForm(w, format, colour, r, r.table, r.markdown)
}

func (r PolicyAudit) table(p *printer) {
	if len(r.Rows) == 0 {
		p.print("No cluster that the definitions are about.\n")
	}
	p.policyRows(r.Rows, func(row governance.Row) string { return row.Definition })
	if len(r.Assigned) > 0 {
		p.print("\n%s\n", p.paint("Assigned in Azure", bold))
		p.policyRows(r.Assigned, func(row governance.Row) string {
			scope, _, _ := row.Assignment.Split()
			return fmt.Sprintf("%s, assigned as %s at %s", strings.ToLower(row.Effect), row.Assignment.Name(), r.place(scope))
		})
	}
	p.print("\n")
	p.incomplete(r.Incomplete)
	p.print("%s.\n", r.sum())
}

// policyRows are a line for each definition under its cluster, and one for each reason.
func (p *printer) policyRows(rows []governance.Row, note func(governance.Row) string) {
	cluster := azure.ID{}
	for _, row := range rows {
		if !row.Cluster.Equal(cluster) {
			if !cluster.IsZero() {
				p.print("\n")
			}
			cluster = row.Cluster
			p.print("%s · %s\n", p.paint(cluster.Name(), bold), cluster.ResourceGroup())
		}
		p.print("  %s %s (%s)\n", p.state(row), row.Title, note(row))
		for _, reason := range row.Reasons {
			p.print("      %s\n", reason.String())
		}
		if row.Why != "" {
			p.print("      %s\n", row.Why)
		}
	}
}

// state is a symbol and a word, padded to one width.
func (p *printer) state(row governance.Row) styled {
	text := map[governance.State]string{governance.Compliant: "✓ compliant    ", governance.NonCompliant: "✗ non-compliant", governance.Unknown: "? unknown      ", governance.Exempt: "– exempt       "}[row.State]
	colour := map[governance.State]string{governance.Compliant: green, governance.NonCompliant: red, governance.Unknown: yellow, governance.Exempt: dim}[row.State]
	if row.Denies {
		text = "✗ would deny   "
	}
	return p.paint(text, colour)
}

func (r PolicyAudit) sum() string {
	clusters := map[string]bool{}
	for _, row := range r.Rows {
		clusters[row.Cluster.Key()] = true
	}
	parts := []string{plural(len(clusters), "cluster")}
	for _, s := range []governance.State{governance.Compliant, governance.NonCompliant, governance.Unknown, governance.Exempt} {
		if n := r.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ")
}

// markdown is for a review.
func (r PolicyAudit) markdown(p *printer) {
	p.print("| cluster | policy | state | why |\n| --- | --- | --- | --- |\n")
	p.policyTable(r.Rows)
	if len(r.Assigned) > 0 {
		p.print("\nAssigned in Azure:\n\n| cluster | policy | state | why |\n| --- | --- | --- | --- |\n")
		p.policyTable(r.Assigned)
	}
	p.print("\n%s.\n", r.sum())
}

func (p *printer) policyTable(rows []governance.Row) {
	for _, row := range rows {
		var why []string
		for _, reason := range row.Reasons {
			why = append(why, reason.String())
		}
		if row.Why != "" {
			why = append(why, row.Why)
		}
		state := string(row.State)
		if row.Denies {
			state = "would deny"
		}
		p.print("| %s | %s | %s | %s |\n", markdown(row.Cluster.Name()), markdown(row.Title), state, markdown(strings.Join(why, "; ")))
	}
}
