package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/whocan"
)

// WhoCan is the answer to who could do something, the contract of "who-can -o json". Of Principals, Controls and Billable
// there is the one that was asked for.
type WhoCan struct {
	Opening
	NotSeen    []string          `json:"notSeen"`
	Action     azure.Action      `json:"action,omitempty"`
	Data       bool              `json:"dataAction,omitempty"`
	Scope      azure.ID          `json:"scope,omitzero"`
	Principals []whocan.Person   `json:"principals,omitzero"`
	Controls   []whocan.Control  `json:"identities,omitzero"`
	Billable   []whocan.Billable `json:"billable,omitzero"`
	place      func(azure.ID) string
}

// notSeen is what no Azure role assignment shows.
var notSeen = []string{
	"roles of Microsoft Entra ID: a Global Administrator can make itself User Access Administrator, an Application or Cloud Application Administrator can put secrets on applications",
	"roles inside Kubernetes, where Azure RBAC does not decide there",
}

// NewWhoCan begins an answer about an estate, as seen from a scope.
func NewWhoCan(e *estate.Estate, from azure.ID, at time.Time) WhoCan {
	return WhoCan{Opening: opening(e, at, e.Incomplete), NotSeen: notSeen, place: func(id azure.ID) string { return e.Place(id, from) }}
}

// Print writes the answer as table, markdown or json.
func (r WhoCan) Print(w io.Writer, format string, colour bool) error {
	return inForm(w, format, colour, r, r.table, r.markdown)
}

func (r WhoCan) table(p *printer) {
	switch {
	case r.Action != "":
		p.print("%s on %s\n\n", p.paint(string(r.Action), bold), r.place(r.Scope))
		p.people(r.Principals)
		p.print("\n%s.\n", tallyOf(r.Principals))
	case r.Billable != nil:
		p.billable(r)
	default:
		p.controls(r.Controls)
	}
	p.print("\n")
	p.incomplete(r.Incomplete)
	p.print("Not seen here: %s.\n", strings.Join(r.NotSeen, "; "))
}

// people are rows of who, and how; those who have to do something first come under a line that says so.
func (p *printer) people(list []whocan.Person) {
	distance := 0
	for _, person := range list {
		if person.Distance != distance {
			distance = person.Distance
			p.print("\nafter %s\n", plural(distance, "step"))
		}
		p.print("  %s (%s)\n", person.Name, cmp.Or(person.Type, "type not known"))
		for _, path := range person.Paths {
			p.print("    %s\n", path.String())
		}
		if person.Unsure != "" {
			p.print("    %s\n", p.paint("? "+person.Unsure, yellow))
		}
	}
}

// tallyOf counts people by how many steps they have to take.
func tallyOf(list []whocan.Person) string {
	now, later := 0, 0
	for _, p := range list {
		if p.Distance == 0 {
			now++
		} else {
			later++
		}
	}
	switch {
	case len(list) == 0:
		return "Nobody can"
	case later == 0:
		return plural(now, "principal") + " can"
	}
	return fmt.Sprintf("%s can; %d more could make themselves able to", plural(now, "principal"), later)
}

// abilities are what a person calls the kinds of abilities.
var abilities = map[string]string{
	whocan.Switch: "can change the cluster, and so which identity it uses", whocan.Grant: "can change its roles",
	whocan.Credentials: "can change its federated credentials", whocan.Remove: "can delete it", whocan.Act: "can act as it, or have it act",
}

func (p *printer) controls(list []whocan.Control) {
	if len(list) == 0 {
		p.print("No identities are known.\n")
	}
	for i, c := range list {
		if i > 0 {
			p.print("\n")
		}
		p.print("%s · %s identity %s (principal %s)\n", p.paint(c.Cluster.Name(), bold), c.Label, c.Name, c.Principal)
		for _, a := range c.Abilities {
			p.print("\n%s %s\n", plural(len(a.People), "principal"), abilities[a.Kind])
			p.people(a.People)
		}
		if len(c.Abilities) == 0 {
			p.print("  nobody can change it or act as it\n")
		}
	}
}

func (p *printer) billable(r WhoCan) {
	if len(r.Billable) == 0 {
		p.print("None of the identities could create anything that costs money.\n")
	}
	cluster := azure.ID{}
	for _, b := range r.Billable {
		if !b.Cluster.Equal(cluster) {
			cluster = b.Cluster
			p.print("%s\n", p.paint(cluster.Name(), bold))
		}
		p.print("  %s identity %s, with %s on %s%s\n", b.Label, b.Name, strings.Join(b.Roles, ", "), r.place(b.Scope), ours(b))
		p.print("    could create %s: %s\n", plural(len(b.Types), "kind"), strings.Join(b.Types, ", "))
		p.print("    whose scope: %s\n", cmp.Or(strings.Join(b.Owners, ", "), "not known"))
	}
}

func ours(b whocan.Billable) string {
	if b.Own {
		return " (granted by AKS)"
	}
	return ""
}

// markdown is for a ticket or a review.
func (r WhoCan) markdown(p *printer) {
	switch {
	case r.Action != "":
		p.print("## Who can %s on %s\n\n", r.Action, r.place(r.Scope))
		p.peopleTable(r.Principals)
		p.print("%s.\n", tallyOf(r.Principals))
	case r.Billable != nil:
		p.print("| cluster | identity | scope | roles | could create | whose scope |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, b := range r.Billable {
			p.print("| %s | %s %s | %s | %s | %s | %s |\n", markdown(b.Cluster.Name()), markdown(b.Label), markdown(b.Name), markdown(r.place(b.Scope)+ours(b)),
				markdown(strings.Join(b.Roles, ", ")), markdown(strings.Join(b.Types, ", ")), markdown(strings.Join(b.Owners, ", ")))
		}
	default:
		for _, c := range r.Controls {
			p.print("## %s: %s identity %s\n", c.Cluster.Name(), c.Label, c.Name)
			for _, a := range c.Abilities {
				p.print("\n### %s %s\n\n", plural(len(a.People), "principal"), abilities[a.Kind])
				p.peopleTable(a.People)
			}
			p.print("\n")
		}
	}
	p.print("\n")
	for _, i := range r.Incomplete {
		p.print("- not read: %s (%s)\n", i.What, i.Why)
	}
	p.print("- not seen here: %s\n", strings.Join(r.NotSeen, "; "))
}

func (p *printer) peopleTable(list []whocan.Person) {
	if len(list) == 0 {
		return
	}
	p.print("| who | type | steps first | how |\n| --- | --- | --- | --- |\n")
	for _, person := range list {
		var how []string
		for _, path := range person.Paths {
			how = append(how, markdown(path.String()))
		}
		if person.Unsure != "" {
			how = append(how, "? "+markdown(person.Unsure))
		}
		p.print("| %s | %s | %d | %s |\n", markdown(person.Name), markdown(person.Type), person.Distance, styled(strings.Join(how, "<br>")))
	}
	p.print("\n")
}
