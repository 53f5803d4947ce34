package finding

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Mention is an id that a text holds, and what it stands for.
type Mention struct {
	ID    string `json:"id"`
	Line  int    `json:"line"` // of the first place, from 1
	Times int    `json:"times"`
	Is    Life   `json:"is"`
	What  string `json:"what"`
}

// Life says whether what an id stands for is there.
type Life string

// Live: of a cluster. Former: it was, and is no more. Other: something else, which is there. Unidentified: it is not known.
const (
	Live         Life = "live"
	Former       Life = "former"
	Other        Life = "other"
	Unidentified Life = "unknown"
)

// MaxText bounds a text that is looked through for ids, in bytes; maxMentions the ids that are told of.
const (
	MaxText     = 64 << 20
	maxMentions = 10_000
)

// idPattern finds resource ids and, outside of these, GUIDs (RE2: it takes time in proportion to the text).
var idPattern = regexp.MustCompile(`(?i)/subscriptions/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/[^\s"'<>|,;)\]}&?#$` + "`" + `]+)*|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// FindIDs are the ids that a text holds, each once, in the order of the text. What they stand for is not said yet.
func FindIDs(text string) []Mention {
	var out []Mention
	seen := map[string]int{}
	line, counted := 1, 0
	for _, m := range idPattern.FindAllStringIndex(text, -1) {
		line += strings.Count(text[counted:m[0]], "\n")
		counted = m[0]
		id := strings.TrimRight(text[m[0]:m[1]], "/.:")
		key := strings.ToLower(id)
		if i, ok := seen[key]; ok {
			out[i].Times++
			continue
		}
		if len(out) == maxMentions {
			continue
		}
		seen[key] = len(out)
		out = append(out, Mention{ID: id, Line: line, Times: 1})
	}
	return out
}

// Identify says of each mention what it stands for.
func Identify(e *estate.Estate, mentions []Mention) []Mention {
	out := slices.Clone(mentions)
	ids := newIDs(e)
	for i := range out {
		m := &out[i]
		if g, err := azure.ParseGUID(m.ID); err == nil {
			m.Is, m.What = ids.guid(g)
		} else if id, err := azure.ParseID(m.ID); err == nil {
			m.Is, m.What = ids.resource(id)
		}
		m.Is = cmp.Or(m.Is, Unidentified)
	}
	return out
}

// meaning is what an id stands for.
type meaning struct {
	life Life
	what string
}

// ids knows what the ids of an estate stand for.
type ids struct {
	e        *estate.Estate
	byGUID   map[azure.GUID]meaning
	byID     map[string]meaning
	orphaned map[azure.PrincipalID]int
}

func newIDs(e *estate.Estate) *ids {
	x := &ids{e: e, byGUID: map[azure.GUID]meaning{}, byID: map[string]meaning{}, orphaned: map[azure.PrincipalID]int{}}
	for _, c := range e.Clusters {
		x.cluster(c)
	}
	for _, g := range e.Orphans {
		x.orphaned[g.Principal]++
	}
	for g := range e.Policy.Grants() {
		if name, err := azure.ParseGUID(g.ID.Name()); err == nil {
			x.add(name, Other, fmt.Sprintf("role assignment: %s on %s", e.RoleName(g.Role), e.Place(g.Scope, azure.ID{})))
		}
	}
	return x
}

func (x *ids) add(g azure.GUID, life Life, what string) {
	if _, ok := x.byGUID[g]; !ok && !g.IsZero() {
		x.byGUID[g] = meaning{life, what}
	}
}

func (x *ids) cluster(c *estate.Cluster) {
	x.byID[c.ID.Key()] = meaning{Live, "cluster " + c.ID.Name()}
	x.byID[c.NodeGroup().Key()] = meaning{Live, "node resource group of cluster " + c.ID.Name()}
	for _, i := range x.e.Identities(c) {
		whose := fmt.Sprintf("the %s identity %s of cluster %s", i.Label(), i.Name, c.ID.Name())
		x.add(i.Principal, Live, "object id of "+whose)
		x.add(i.Client, Live, "client id of "+whose+"; role assignments take its object id")
		if !i.Resource.IsZero() {
			x.byID[i.Resource.Key()] = meaning{Live, strings.TrimPrefix(whose, "the ")}
			doc, _ := x.e.Resource(i.Resource)
			if now, err := azure.ParseGUID(doc.Text("properties.principalId")); err == nil && now != i.Principal {
				x.byGUID[i.Principal] = meaning{Former, "object id that " + whose + " had before it was made anew"}
				x.add(now, Live, "object id of "+whose)
			}
		}
	}
	x.add(x.e.ClusterTenant(c), Other, "the tenant")
}

func (x *ids) guid(g azure.GUID) (Life, string) {
	if m, ok := x.byGUID[g]; ok {
		return m.life, m.what
	}
	if n := x.orphaned[g]; n > 0 {
		return Former, fmt.Sprintf("object id of a principal that no longer exists and is left in %d role assignments", n)
	}
	if r, ok := x.e.Policy.Role(g); ok {
		return Other, "role " + r.Name
	}
	if r, ok := rbac.BuiltInRole(g.String()); ok {
		return Other, "role " + r.Name
	}
	if name := x.e.SubscriptionName(g.String()); name != g.String() {
		return Other, "subscription " + name
	}
	if app, ok := x.e.Application(g); ok {
		return Other, "client id of application " + app.Name
	}
	if sp, ok := x.e.ServicePrincipal(g); ok {
		return Other, "client id of service principal " + sp.Name
	}
	switch o, known := x.e.Object(g); known {
	case estate.Known:
		return Other, strings.TrimSpace(fmt.Sprintf("object id of %s %s", kindOf(o.Type), o.Name))
	case estate.Absent:
		return Unidentified, "no user, group or service principal of the directory has it as its object id"
	}
	return Unidentified, ""
}

// kindOf is what a person calls a type of directory objects.
func kindOf(typ string) string {
	switch typ {
	case "ServicePrincipal":
		return "service principal"
	case "":
		return "principal"
	}
	return strings.ToLower(typ)
}

func (x *ids) resource(id azure.ID) (Life, string) {
	if m, ok := x.byID[id.Key()]; ok {
		return m.life, m.what
	}
	switch _, known := x.e.Resource(id); known {
	case estate.Known:
		return Other, x.e.Place(id, azure.ID{})
	case estate.Absent:
		return Former, "there is no such resource any more"
	}
	if sub := id.Subscription(); id.Type() == azure.TypeSubscription && x.e.SubscriptionName(sub) != sub {
		return Other, "subscription " + x.e.SubscriptionName(sub)
	}
	return Unidentified, ""
}

// Outdated is about the ids of a page that tells the ids of a cluster, as runbooks do: those that the directory does not have
// were of identities of the cluster when the page was made.
func Outdated(e *estate.Estate, mentions []Mention, cluster azure.ID) []Mention {
	for i, m := range mentions {
		g, err := azure.ParseGUID(m.ID)
		if _, known := e.Object(g); err == nil && m.Is == Unidentified && known == estate.Absent {
			mentions[i].Is, mentions[i].What = Former, "of cluster "+cluster.Name()+" when the page was made; nothing in the directory has it any more"
		}
	}
	return mentions
}
