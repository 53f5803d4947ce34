package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/whocan"
)

var canActAsIdentity = Rule{
	ID:    "can-act-as-identity",
	Title: "Somebody who may not change the cluster can act as one of its identities",
	Why: "Who may put a federated credential on an identity, or attach it to a machine of theirs, has its rights; so has who may run commands " +
		"on the nodes. That is a way around the rights on the cluster. aksid who-can --identity tells all ways, those through pods and those of several steps too.",
	Source:   "managed identities best practices, workload-identity-federation",
	Severity: Note,
	Run: func(p *Pass) {
		if estate.Unnamed(p.Cluster.ID.Subscription()) {
			return // who may change the cluster is not known
		}
		ask := whocan.NewAsker(p.Estate, p.Cluster.ID, p.clock(), 1)
		var owners map[azure.PrincipalID]bool
		for _, id := range p.Identities {
			if id.Known() && (id.Role == estate.ControlPlane || id.Role == estate.Kubelet) {
				if owners == nil {
					owners = p.owners(ask)
				}
				p.reportActing(ask, id, owners)
			}
		}
	},
}

// waysAround are the ways to act as an identity that who uses a cluster as it is meant to be used does not have.
var waysAround = []string{whocan.Federate, whocan.Attach, whocan.Run, whocan.Configure, whocan.Own}

func (p *Pass) reportActing(ask *whocan.Asker, id estate.Identity, owners map[azure.PrincipalID]bool) {
	var who, how []string
	by := map[string][]string{} // who has which path
	for _, person := range ask.Become(id.Principal) {
		if certain := person.Unsure == "" || person.Unsure == whocan.MembersUnknown; owners[person.Principal] || !certain {
			continue
		}
		i := slices.IndexFunc(person.Paths, func(x whocan.Path) bool { return slices.Contains(waysAround, x.Hops[len(x.Hops)-1].Kind) })
		if i < 0 {
			continue
		}
		path := person.Paths[i].String()
		if by[path] == nil {
			how = append(how, path)
		}
		who, by[path] = append(who, person.Name), append(by[path], person.Name)
	}
	for i, path := range how {
		how[i] = list(by[path]) + ": " + path
	}
	if len(who) > 0 {
		p.Report(Finding{
			Title:     fmt.Sprintf("%s can act as the %s identity and may not change the cluster", list(who), id.Label()),
			Detail:    p.paths(how),
			Principal: id.Principal, Scope: id.Resource,
		})
	}
}

// paths are the first few, and where to find the others.
func (p *Pass) paths(how []string) string {
	const few = 3
	if more := len(how) - few; more > 0 {
		how = append(slices.Clone(how[:few]), fmt.Sprintf("%d more ways: aksid who-can --identity %s", more, p.Cluster.ID.Name()))
	}
	return strings.Join(how, "; ")
}

// owners are those who may change the cluster or its roles, now or with a role that they may take up, and its identities.
func (p *Pass) owners(ask *whocan.Asker) map[azure.PrincipalID]bool {
	out := map[azure.PrincipalID]bool{}
	for _, id := range p.Identities {
		out[id.Principal] = true
	}
	for _, person := range ask.Holders(
		whocan.Question{Action: estate.TypeCluster + "/write", Scope: p.Cluster.ID},
		whocan.Question{Action: "Microsoft.Authorization/roleAssignments/write", Scope: p.Cluster.ID}) {
		out[person.Principal] = out[person.Principal] || person.Unsure == "" || person.Unsure == whocan.MembersUnknown
	}
	return out
}
