package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/inventory"
)

// Inventory is the list of clusters, the contract of "list -o json".
type Inventory struct {
	Opening
	Clusters []inventory.Cluster `json:"clusters"`
	Changes  *Changes            `json:"changes,omitempty"` // with --changes
}

// Changes are how the roles of the clusters' identities have changed.
type Changes struct {
	Since    time.Time          `json:"since"`
	Changes  []inventory.Change `json:"changes"`  // the oldest first
	Unlogged []string           `json:"unlogged"` // subscriptions whose activity log is not known for all of that time
	// Above are the activity logs of management groups and of the tenant that could not be read.
	Above []estate.Incomplete `json:"unloggedAbove"`
}

// NewInventory lists an estate's clusters.
func NewInventory(e *estate.Estate, at time.Time) Inventory {
	return Inventory{Opening: opening(e, at, e.Incomplete), Clusters: inventory.List(e, at)}
}

// AddChanges adds how roles have changed since a time.
func (r *Inventory) AddChanges(e *estate.Estate, since time.Time) {
	r.Changes = &Changes{since.UTC().Truncate(time.Second), inventory.Changes(e, since), filled(inventory.Unlogged(e, since)), filled(e.Unlogged)}
}

// Unsure reports whether something is not told because it could not be read.
func (r Inventory) Unsure() bool {
	if r.Changes != nil {
		return len(r.Changes.Unlogged) > 0
	}
	return slices.ContainsFunc(r.Clusters, func(c inventory.Cluster) bool { return c.Unsure != "" })
}

// Print writes the list as table, markdown or json.
func (r Inventory) Print(w io.Writer, format string, colour bool) error {
	return inForm(w, format, colour, r, r.table, r.markdown)
}

func (r Inventory) table(p *printer) {
	if r.Changes != nil {
		r.changesTable(p)
	} else {
		r.listTable(p)
	}
	if len(r.Incomplete) > 0 {
		p.print("\n")
	}
	p.incomplete(r.Incomplete)
}

func (r Inventory) listTable(p *printer) {
	label, name := 0, 0
	for _, c := range r.Clusters {
		for _, i := range c.Identities {
			label, name = max(label, utf8.RuneCountInString(i.Label)), max(name, utf8.RuneCountInString(i.Name))
		}
	}
	for _, c := range r.Clusters {
		p.heading(c.ID.ResourceGroup() + "/" + c.Name)
		p.print("  owner %s · made %s · may be changed by %s\n", cell(c.Owner), r.age(c.Created), writers(c))
		for _, i := range c.Identities {
			p.print("  %s  %s  %s  %s  since %s%s\n", pad(i.Label, label), pad(kinds[i.Kind], 15), pad(i.Name, name), pad(plural(i.Roles, "role"), 8), r.age(i.Since), inventoryNotes(i))
		}
		p.print("\n")
	}
	p.print("%s, %s.\n", plural(len(r.Clusters), "cluster"), r.identities())
}

// identities counts them, each once.
func (r Inventory) identities() string {
	n := map[azure.PrincipalID]bool{}
	for _, c := range r.Clusters {
		for _, i := range c.Identities {
			n[i.PrincipalID] = true
		}
	}
	if len(n) == 1 {
		return "1 identity"
	}
	return fmt.Sprintf("%d identities", len(n))
}

// age is a day and how long ago it was.
func (r Inventory) age(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return fmt.Sprintf("%s (%s)", t.Format(time.DateOnly), plural(max(0, int(r.At.Sub(*t).Hours()/24)), "day"))
}

// inventoryNotes is what a reviewer would ask about an identity.
func inventoryNotes(i inventory.Identity) string {
	out := ""
	if i.Owner != "" {
		out += ", owner " + i.Owner
	}
	if i.Clusters > 1 {
		out += fmt.Sprintf(", of %d clusters", i.Clusters)
	}
	return out
}

// writers names a few of those who may change a cluster.
func writers(c inventory.Cluster) string {
	const few = 3
	var names []string
	for _, w := range c.Writers {
		names = append(names, w.Name)
	}
	if n := len(names); n > few {
		names = append(names[:few], fmt.Sprintf("%d more", n-few))
	}
	if c.Unsure != "" {
		names = append(names, "perhaps others")
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

func (r Inventory) changesTable(p *printer) {
	cluster := azure.ID{}
	for _, c := range r.byCluster() {
		if !c.Cluster.Equal(cluster) {
			cluster = c.Cluster
			p.heading(cluster.ResourceGroup() + "/" + cluster.Name())
		}
		p.print("  %s  %s  %s: %s on %s%s, by %s\n", c.Time.Format("2006-01-02 15:04"), given(c), c.Identity, c.Role, c.Place, changeNotes(c), cell(c.By))
	}
	if len(r.Changes.Changes) > 0 {
		p.print("\n")
	}
	p.print("%s of roles since %s.\n", plural(len(r.Changes.Changes), "change"), r.Changes.Since.Format("2006-01-02 15:04"))
	for _, sub := range r.Changes.Unlogged {
		p.print("? The activity log of subscription %s is not known for all of that time: roles that were taken away there are not told.\n", sub)
	}
	for _, i := range r.Changes.Above {
		p.print("? %s could not be read (%s): roles that were taken away there are not told.\n", upperFirst(i.What), i.Why)
	}
}

// byCluster are the changes, those of a cluster together.
func (r Inventory) byCluster() []inventory.Change {
	out := slices.Clone(r.Changes.Changes)
	slices.SortStableFunc(out, func(x, y inventory.Change) int { return strings.Compare(x.Cluster.Key(), y.Cluster.Key()) })
	return out
}

func given(c inventory.Change) string {
	if c.Given {
		return "given"
	}
	return "taken"
}

func changeNotes(c inventory.Change) string {
	out := ""
	if c.Via != "" {
		out += " through group " + c.Via
	}
	if c.Source == inventory.FromAssignment {
		out += " (the assignment says so, the log does not)"
	}
	return out
}

func (r Inventory) markdown(p *printer) {
	p.print("# Clusters and their identities\n\nRead from %s, %s.\n", markdown(r.From), r.At.Format("2006-01-02 15:04 UTC"))
	if r.Changes == nil {
		p.print("\n| cluster | owner | made | may be changed by | identity | kind | name | roles | since |\n|---|---|---|---|---|---|---|---|---|\n")
		for _, c := range r.Clusters {
			for _, i := range c.Identities {
				p.print("| %s | %s | %s | %s | %s | %s | %s | %d | %s |\n", markdown(c.ID.ResourceGroup()+"/"+c.Name), markdown(cell(c.Owner)), r.age(c.Created),
					markdown(writers(c)), markdown(i.Label), kinds[i.Kind], code(i.Name), i.Roles, r.age(i.Since))
			}
		}
		return
	}
	p.print("\nChanges of roles since %s:\n\n| time | cluster | identity | | role | on | by |\n|---|---|---|---|---|---|---|\n", r.Changes.Since.Format("2006-01-02 15:04"))
	for _, c := range r.Changes.Changes {
		p.print("| %s | %s | %s | %s | %s | %s | %s |\n", c.Time.Format("2006-01-02 15:04"), markdown(c.Cluster.ResourceGroup()+"/"+c.Cluster.Name()),
			markdown(c.Identity), given(c), markdown(c.Role), markdown(c.Place+changeNotes(c)), markdown(cell(c.By)))
	}
	for _, sub := range r.Changes.Unlogged {
		p.print("\nThe activity log of subscription %s is not known for all of that time.\n", code(sub))
	}
	for _, i := range r.Changes.Above {
		p.print("\n- not read: %s (%s)\n", markdown(i.What), markdown(i.Why))
	}
}
