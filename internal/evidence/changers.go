package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/whocan"
)

// changer is a role by which somebody can change what the clusters stand on.
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

// actor is somebody who could act as an identity of a cluster.
type actor struct {
	Cluster   azure.ID            `json:"cluster"`
	Role      estate.IdentityRole `json:"identityRole"`
	Identity  azure.PrincipalID   `json:"identityPrincipalId"`
	Principal azure.PrincipalID   `json:"principalId"`
	Name      string              `json:"principalName"`
	Type      string              `json:"principalType,omitempty"`
	Steps     int                 `json:"steps"` // to take before that
	Paths     []string            `json:"paths"` // the shortest ones
	Unsure    string              `json:"unsure,omitempty"`
	label     string
}

// steps are how many somebody may have to take first, in roles/who-can-act.json.
const steps = 2

// changers adds who may change what the clusters stand on, by which role, and who could act as their identities.
func (m *maker) changers() {
	ask := whocan.NewAsker(m.Estate, azure.Root, cmp.Or(m.Estate.At, m.Now), steps)
	m.facts.changers = []*changer{}
	for _, h := range ask.Holdings() {
		members, _ := m.Estate.Members(h.Principal)
		m.facts.changers = append(m.facts.changers, &changer{h.Principal, m.who(h.Principal), h.Type, h.Role, h.Scope, h.Kind == whocan.TakeUp, h.Condition != "", h.May, members})
	}
	m.add("roles/who-can-change.json", m.facts.changers)
	m.facts.actors = []*actor{}
	for _, c := range m.Estate.Clusters {
		own := m.Estate.Identities(c)
		for _, id := range own {
			if id.Known() {
				m.actors(ask, c, id, own)
			}
		}
	}
	m.add("roles/who-can-act.json", m.facts.actors)
}

// actors notes who could act as an identity; what the cluster's identities can do to each other is AKS's work.
func (m *maker) actors(ask *whocan.Asker, c *estate.Cluster, id estate.Identity, own []estate.Identity) {
	for _, p := range ask.Become(id.Principal) {
		if slices.ContainsFunc(own, func(i estate.Identity) bool { return i.Principal == p.Principal }) {
			continue
		}
		x := &actor{c.ID, id.Role, id.Principal, p.Principal, p.Name, p.Type, p.Distance, nil, p.Unsure, id.Label()}
		for _, path := range p.Paths {
			x.Paths = append(x.Paths, path.String())
		}
		m.facts.actors = append(m.facts.actors, x)
	}
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
		Text: []string{"By a role of its own or of its group. In full: roles/who-can-change.json."}}
}

// mostActors bounds the table of who could act as an identity; the file has them all.
const mostActors = 200

// actorSection names who could act as an identity, by the shortest path.
func (m *maker) actorSection() section {
	t := &table{Heads: []string{"cluster", "identity", "who", "kind", "how"}}
	for _, x := range m.facts.actors {
		how := x.Paths[0]
		if x.Unsure != "" {
			how += "; not certain: " + x.Unsure
		}
		t.Rows = append(t.Rows, []string{x.Cluster.Name(), x.label, x.Name, x.Type, how})
	}
	s := section{Title: "Who could act as the clusters' identities", Table: t,
		Text: []string{fmt.Sprintf("Also after up to %d steps that they may take, such as joining a group that they own. Further paths: roles/who-can-act.json.", steps)}}
	if n := len(t.Rows); n > mostActors {
		t.Rows = t.Rows[:mostActors]
		s.Text = append(s.Text, fmt.Sprintf("The first %d of %d are shown.", mostActors, n))
	}
	return s
}
