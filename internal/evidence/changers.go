package evidence

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// changer is a role by which somebody may change what the clusters stand on.
type changer struct {
	Principal azure.PrincipalID   `json:"principalId"`
	Name      string              `json:"principalName,omitempty"`
	Type      string              `json:"principalType,omitempty"`
	Role      string              `json:"roleDefinitionName"`
	Scope     azure.ID            `json:"scope"`
	Eligible  bool                `json:"eligible"` // it has to be taken up first, through PIM
	Condition bool                `json:"condition"`
	May       []string            `json:"mayChange"`
	Members   []azure.PrincipalID `json:"members,omitempty"` // of a group
}

// changeables are what a reviewer asks about: who may change it. In the order of the summary.
var changeables = []struct {
	what   string
	action azure.Action
	at     func(*estate.Estate, *estate.Cluster) []azure.ID
}{
	{"roles", "Microsoft.Authorization/roleAssignments/write", func(e *estate.Estate, c *estate.Cluster) []azure.ID {
		return append(slices.Clone(c.References()), c.ID, c.NodeGroup())
	}},
	{"clusters", "Microsoft.ContainerService/managedClusters/write", func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return []azure.ID{c.ID} }},
	{"identities", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", func(e *estate.Estate, c *estate.Cluster) (out []azure.ID) {
		for _, id := range e.Identities(c) {
			out = append(out, id.Resource)
		}
		return out
	}},
	{"networks", "Microsoft.Network/virtualNetworks/subnets/write", func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return c.Subnets() }},
	{"load balancers", "Microsoft.Network/loadBalancers/write", func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return []azure.ID{c.NodeGroup()} }},
	{"disks", "Microsoft.Compute/disks/write", func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return []azure.ID{c.NodeGroup()} }},
}

// changers adds who may change roles, clusters, their identities, networks and disks, by which role.
func (m *maker) changers() {
	found := map[string]*changer{}
	note := func(key string, g rbac.Grant, eligible bool, what string) {
		x := found[key]
		if x == nil {
			o, _ := m.Estate.Object(g.Principal)
			members, _ := m.Estate.Members(g.Principal)
			x = &changer{g.Principal, m.who(g.Principal), cmp.Or(o.Type, g.PrincipalType), m.Estate.RoleName(g.Role), g.Scope, eligible, g.Condition != "", nil, members}
			found[key] = x
		}
		if !slices.Contains(x.May, what) {
			x.May = append(x.May, what)
		}
	}
	for _, ask := range changeables {
		for _, c := range m.Estate.Clusters {
			for _, scope := range ask.at(m.Estate, c) {
				if scope.IsZero() {
					continue
				}
				for g := range m.Estate.Policy.WhoCan(ask.action, scope) {
					note(g.ID.Key(), g, false, ask.what)
				}
				for _, s := range m.eligible(ask.action, scope) {
					note(s.ID.Key(), s.Grant, true, ask.what)
				}
			}
		}
	}
	out := []*changer{}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	slices.SortStableFunc(out, func(x, y *changer) int {
		return cmp.Or(len(y.May)-len(x.May), strings.Compare(x.Scope.Key(), y.Scope.Key()), strings.Compare(x.Name, y.Name))
	})
	m.add("roles/who-can-change.json", out)
	m.facts.changers = out
}

// eligible are the roles that somebody may take up and that allow an action on a scope.
func (m *maker) eligible(action azure.Action, scope azure.ID) []*estate.Schedule {
	above := m.Estate.Policy.ManagementGroups(scope)
	return slices.DeleteFunc(slices.Clone(m.Estate.Schedules()), func(s *estate.Schedule) bool {
		role, ok := m.Estate.Policy.Role(s.Grant.Role)
		covers := s.Grant.Scope.Contains(scope) || slices.ContainsFunc(above, s.Grant.Scope.Equal)
		return s.Kind != estate.Eligible || !ok || !covers || !role.Grants(action, false)
	})
}

func (m *maker) changerSection() section {
	t := &table{Heads: []string{"who", "kind", "role", "where", "may change"}}
	for _, x := range m.facts.changers {
		role := x.Role
		if x.Eligible {
			role += " (has to be taken up)"
		}
		if x.Condition {
			role += " (with a condition)"
		}
		t.Rows = append(t.Rows, []string{x.Name, x.Type, role, m.Estate.Place(x.Scope, azure.ID{}), strings.Join(x.May, ", ")})
	}
	return section{Title: "Who may change what the clusters stand on", Table: t,
		Text: []string{"By a role of its own or of its group; who could get there by other ways, as by owning a group or an application, aksid who-can tells. In full: roles/who-can-change.json."}}
}
