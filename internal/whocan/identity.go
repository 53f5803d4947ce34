package whocan

import (
	"maps"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Control is what others can do to, or as, one identity of a cluster.
type Control struct {
	Cluster   azure.ID            `json:"cluster"`
	Role      estate.IdentityRole `json:"role"`
	Label     string              `json:"label"`
	Name      string              `json:"name"`
	Principal azure.PrincipalID   `json:"principalId"`
	Resource  azure.ID            `json:"resourceId,omitzero"`
	Abilities []Ability           `json:"abilities"`
}

// Kinds of abilities, as the JSON contract spells them.
const (
	Switch      = "switch"      // have the cluster use another identity
	Grant       = "grant"       // change the identity's roles
	Credentials = "credentials" // put or take credentials
	Remove      = "delete"      // delete the identity
	Act         = "act"         // act as it
)

// Ability is one thing that some people can do with an identity.
type Ability struct {
	Kind   string   `json:"kind"`
	People []Person `json:"principals"`
}

// Control tells who can change the identities of a cluster, their roles and credentials, or act through them.
func (a *Asker) Control(c *estate.Cluster) (out []Control) {
	own := map[azure.PrincipalID]bool{} // what they can do to each other is AKS's work
	for _, id := range a.Identities(c) {
		own[id.Principal] = true
	}
	for _, id := range a.Identities(c) {
		if !id.Known() {
			continue
		}
		x := Control{Abilities: []Ability{}, Cluster: c.ID, Role: id.Role, Label: id.Label(), Name: id.Name, Principal: id.Principal, Resource: id.Resource}
		x.add(Switch, a.Holders(Question{Action: clusterWrite, Scope: c.ID}))
		x.add(Grant, a.Holders(a.granting(id)...))
		if !id.Resource.IsZero() {
			x.add(Credentials, a.Holders(Question{Action: federate, Scope: id.Resource}))
			x.add(Remove, a.Holders(Question{Action: typeIdentity + "/delete", Scope: id.Resource}))
		}
		x.add(Act, a.Become(id.Principal))
		x.without(own)
		out = append(out, x)
	}
	return out
}

func (c *Control) add(kind string, people []Person) {
	c.Abilities = append(c.Abilities, Ability{kind, people})
}

// without drops some people, and what nobody else can do.
func (c *Control) without(who map[azure.PrincipalID]bool) {
	for i := range c.Abilities {
		a := &c.Abilities[i]
		a.People = slices.DeleteFunc(a.People, func(p Person) bool { return who[p.Principal] })
	}
	c.Abilities = slices.DeleteFunc(c.Abilities, func(a Ability) bool { return len(a.People) == 0 })
}

// granting is the right to give roles on each of the scopes that an identity holds one on.
func (a *Asker) granting(id estate.Identity) (out []Question) {
	for _, g := range a.Held(id.Principal) {
		q := Question{Action: assigning[0], Scope: g.Scope}
		if !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out
}

// Holders are those who can do one of several things as things are, or with a role that they may take up.
func (a *Asker) Holders(questions ...Question) []Person {
	found := map[azure.PrincipalID]*Person{}
	for _, q := range questions {
		for id, p := range a.holders(q) {
			if old := found[id]; old == nil {
				found[id] = p
			} else if old.Unsure != "" && p.Unsure == "" {
				found[id] = p
			}
		}
	}
	return a.sorted(found)
}

// Billable is what an identity could create that costs money, with the roles of one scope.
type Billable struct {
	Cluster   azure.ID            `json:"cluster"`
	Role      estate.IdentityRole `json:"role"`
	Label     string              `json:"label"`
	Name      string              `json:"name"`
	Principal azure.PrincipalID   `json:"principalId"`
	Scope     azure.ID            `json:"scope"`
	Own       bool                `json:"grantedByAKS"` // the scope is the cluster's own node resource group
	Roles     []string            `json:"roles"`        // display names
	Types     []string            `json:"types"`        // as a person calls them
	Owners    []string            `json:"owners"`       // of the scope: who holds Owner nearest to it, and what its tags say
}

// Billable tells which resources that cost money the identities of a cluster could create, and where. creates names the
// kinds that a role creates in a scope of a type.
func (a *Asker) Billable(c *estate.Cluster, creates func(role *rbac.Role, scopeType string) []string) (out []Billable) {
	for _, id := range a.Identities(c) {
		rows := map[string]*Billable{}
		for g := range a.Policy.GrantsOf(id.Principal, a.Now) {
			role, ok := a.Policy.Role(g.Role)
			if !ok {
				continue
			}
			types := creates(role, g.Scope.Type())
			if len(types) == 0 {
				continue
			}
			row := rows[g.Scope.Key()]
			if row == nil {
				row = &Billable{Cluster: c.ID, Role: id.Role, Label: id.Label(), Name: id.Name, Principal: id.Principal, Scope: g.Scope, Own: a.IsNodeGroup(g.Scope), Owners: a.owners(g.Scope)}
				rows[g.Scope.Key()] = row
			}
			row.Roles, row.Types = merge(row.Roles, a.RoleName(g.Role)), merge(row.Types, types...)
		}
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			out = append(out, *rows[key])
		}
	}
	return out
}

// merge adds texts to a sorted list that are not in it.
func merge(list []string, more ...string) []string {
	list = append(list, more...)
	slices.Sort(list)
	return slices.Compact(list)
}

// owners are who answers for a scope: what its tags say, and who holds Owner there, or else nearest above it.
func (a *Asker) owners(scope azure.ID) []string {
	out := []string{}
	for at := scope; !at.IsZero(); at = at.Parent() {
		if r, known := a.Resource(at); known == estate.Known && r.Owner() != "" {
			out = merge(out, r.Owner())
		}
		for g := range a.Policy.Grants() {
			if role, ok := a.Policy.Role(g.Role); ok && role.BuiltIn && role.Name == "Owner" && g.Scope.Equal(at) && g.InForce(a.Now) {
				out = merge(out, a.PrincipalName(g.Principal))
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}
