package whocan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Holding is a role by which somebody may change what clusters stand on, as things are or once it is taken up.
type Holding struct {
	Principal azure.PrincipalID // whose role it is: a group's is told once, not for everyone in it
	Type      string            // User, Group or ServicePrincipal
	Hop
	May []string // what they may change, as changeables call it
}

// changeables are what a reviewer asks about: who may change it. In the order of what is said of a role.
var changeables = []struct {
	what   string
	action azure.Action
	at     func(*estate.Estate, *estate.Cluster) []azure.ID
}{
	{"roles", assigning[0], func(_ *estate.Estate, c *estate.Cluster) []azure.ID {
		return append(slices.Clone(c.References()), c.ID, c.NodeGroup())
	}},
	{"clusters", clusterWrite, func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return []azure.ID{c.ID} }},
	{"identities", federate, func(e *estate.Estate, c *estate.Cluster) (out []azure.ID) {
		for _, id := range e.Identities(c) {
			out = append(out, id.Resource)
		}
		return out
	}},
	{"networks", estate.TypeSubnet + "/write", func(_ *estate.Estate, c *estate.Cluster) []azure.ID { return c.Subnets() }},
	{"load balancers", "Microsoft.Network/loadBalancers/write", nodeGroup},
	{"disks", "Microsoft.Compute/disks/write", nodeGroup},
}

func nodeGroup(_ *estate.Estate, c *estate.Cluster) []azure.ID { return []azure.ID{c.NodeGroup()} }

// Holdings are the roles by which somebody may change what the clusters of the estate stand on: those that let them change
// most of it first.
func (a *Asker) Holdings() []Holding {
	found := map[string]*Holding{}
	for _, thing := range changeables {
		for _, c := range a.Clusters {
			for _, scope := range thing.at(a.Estate, c) {
				if !scope.IsZero() {
					a.hold(found, thing.what, Question{Action: thing.action, Scope: scope})
				}
			}
		}
	}
	out := make([]Holding, 0, len(found))
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[key])
	}
	slices.SortStableFunc(out, func(x, y Holding) int {
		return cmp.Or(len(y.May)-len(x.May), strings.Compare(x.Scope.Key(), y.Scope.Key()),
			strings.Compare(a.PrincipalName(x.Principal), a.PrincipalName(y.Principal)))
	})
	return out
}

// hold notes the roles that answer a question and are their holders' own.
func (a *Asker) hold(found map[string]*Holding, what string, q Question) {
	for who, person := range a.holders(q) {
		for _, path := range person.Paths {
			if len(path.Hops) > 1 {
				continue // its group is among the holders too
			}
			key := path.Hops[0].Assignment.Key()
			if found[key] == nil {
				found[key] = &Holding{Principal: who, Type: a.typeOf(who), Hop: path.Hops[0]}
			}
			if h := found[key]; !slices.Contains(h.May, what) {
				h.May = append(h.May, what)
			}
		}
	}
}
