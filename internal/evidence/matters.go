package evidence

import (
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// matters is what of an estate concerns its clusters: everything else that was read is left out of a bundle.
type matters struct {
	e          *estate.Estate
	scopes     []azure.ID // the clusters, what they refer to, their identities and node resource groups
	principals map[azure.PrincipalID]bool
	acts       map[azure.PrincipalID][]string // what identities do for which cluster
	grants     map[string]bool                // role assignments by the key of their id
	left       int                            // role assignments that were read and concern no cluster
}

func newMatters(e *estate.Estate) *matters {
	m := &matters{e: e, principals: map[azure.PrincipalID]bool{}, acts: map[azure.PrincipalID][]string{}, grants: map[string]bool{}}
	acting := map[azure.PrincipalID]bool{}
	for _, c := range e.Clusters {
		m.scopes = append(append(m.scopes, c.ID, c.NodeGroup()), c.References()...)
		for _, id := range e.Identities(c) {
			m.scopes = append(m.scopes, id.Resource)
			if id.Known() {
				acting[id.Principal] = true
				m.acts[id.Principal] = append(m.acts[id.Principal], id.Label()+" identity of "+c.ID.Name())
				for _, g := range e.Policy.GroupsOf(id.Principal) {
					acting[g] = true
				}
			}
		}
	}
	m.scopes = append(m.scopes, e.Registries...)
	for g := range e.Policy.Grants() {
		if !acting[g.Principal] && !m.concerns(g.Scope) {
			m.left++
			continue
		}
		m.grants[g.ID.Key()] = true
		m.principals[g.Principal] = true
	}
	for p := range acting {
		m.principals[p] = true
	}
	for _, s := range e.Schedules() {
		if m.concerns(s.Grant.Scope) || acting[s.Grant.Principal] {
			m.principals[s.Grant.Principal] = true
		}
	}
	m.addPeople()
	return m
}

// concerns reports whether what is given at a scope reaches something of the clusters, or is inside it.
func (m *matters) concerns(scope azure.ID) bool {
	for _, s := range m.scopes {
		if s.IsZero() {
			continue
		}
		if scope.Contains(s) || s.Contains(scope) || aboveSubscriptions(scope) {
			return true
		}
	}
	return false
}

// aboveSubscriptions reports whether a scope is the root or a management group: only those that reach what was read are known.
func aboveSubscriptions(scope azure.ID) bool {
	return scope.Subscription() == "" && (scope.Equal(azure.Root) || strings.EqualFold(scope.Type(), azure.TypeManagementGroup))
}

// addPeople adds who is in the groups, and who owns groups and applications.
func (m *matters) addPeople() {
	queue := []azure.PrincipalID{}
	for p := range m.principals {
		queue = append(queue, p)
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		members, _ := m.e.Members(p)
		owners, _ := m.e.Owners(p)
		for _, x := range append(append([]azure.PrincipalID{}, members...), owners...) {
			if !m.principals[x] {
				m.principals[x] = true
				queue = append(queue, x)
			}
		}
	}
}

// high reports whether a role is assigned on a whole subscription or above.
func high(g *rbac.Grant) bool { return g.Scope.ResourceGroup() == "" }
