package remedy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

// File is a file of a module.
type File struct{ Name, Text string }

// module is the part of a plan that infrastructure as code says: what is to be there. What is to go, and what a person has to
// do, stands in comments.
type module struct {
	plan       Plan
	principals []*principal
	parts      []*part
	left       []Step
	names      map[string]bool // symbols that are taken
}

// principal is who is given roles, and how a module refers to them: never by a bare object id where there is a resource.
type principal struct {
	id       azure.PrincipalID
	symbol   string // in camelCase
	label    string
	written  string   // how the Terraform plan that brings it names its object id; "": none does
	resource azure.ID // a user-assigned identity, or the cluster whose system-assigned identity it is; zero: neither
}

// part is what is deployed to one resource group or subscription.
type part struct {
	scope   azure.ID
	symbol  string
	roles   []estate.DefineRole
	assigns []assignment
}

// assignment is a role assignment of a part.
type assignment struct {
	estate.Assign
	role   azure.GUID
	custom bool // the role is one of the plan's
	to     *principal
	symbol string
	target string // symbol of the resource that it is on; "": the part's scope itself
	why    []string
}

func (p Plan) module() *module {
	m := &module{plan: p, names: map[string]bool{}}
	for _, word := range strings.Fields(bicepWords) {
		m.names[word] = true
	}
	for _, s := range p.Steps {
		switch c := s.Change.(type) {
		case estate.DefineRole:
			at := m.part(c.Scope)
			at.roles = append(at.roles, c)
		case estate.Assign:
			if !m.assign(s, c) {
				m.left = append(m.left, s)
			}
		default:
			m.left = append(m.left, s)
		}
	}
	return m
}

// bicepWords are words that mean something to Bicep.
const bicepWords = "resource module param var output existing import using type func metadata for if true false null az sys string int bool object array any targetscope extension provider assert"

// assign takes an assignment into the part that it is deployed with; false if there is none for its scope.
func (m *module) assign(s Step, c estate.Assign) bool {
	role, ok := m.plan.Role(c.Role)
	scope := canonical(c.Scope)
	group := scope.GroupID()
	if group.IsZero() && scope.Subscription() != "" && strings.EqualFold(scope.Type(), azure.TypeSubscription) {
		group = scope
	}
	if !ok || group.IsZero() {
		return false
	}
	at := m.part(group)
	a := assignment{Assign: c, role: role, to: m.principal(s, c.Principal), why: s.Why}
	a.Scope = scope
	a.custom = slices.ContainsFunc(m.plan.Steps, func(s Step) bool { d, ok := s.Change.(estate.DefineRole); return ok && d.ID == role })
	if !scope.Equal(group) {
		a.target = m.target(at, scope)
	}
	a.symbol = m.symbol(scope.Name() + " " + c.Role + " " + a.to.symbol)
	at.assigns = append(at.assigns, a)
	return true
}

// target is the symbol of a resource that roles are given on; several assignments share it.
func (m *module) target(at *part, scope azure.ID) string {
	for _, a := range at.assigns {
		if a.Scope.Equal(scope) {
			return a.target
		}
	}
	return m.symbol(scope.Name())
}

func (m *module) part(scope azure.ID) *part {
	for _, x := range m.parts {
		if x.scope.Equal(scope) {
			return x
		}
	}
	name := scope.Name()
	if strings.EqualFold(scope.Type(), azure.TypeSubscription) {
		name = "subscription " + name[:min(8, len(name))]
	}
	x := &part{scope: canonical(scope), symbol: m.symbol("roles " + name)}
	m.parts = append(m.parts, x)
	return x
}

func (m *module) principal(s Step, id azure.PrincipalID) *principal {
	for _, x := range m.principals {
		if x.id == id {
			return x
		}
	}
	x := &principal{id: id, label: m.plan.e.PrincipalName(id)}
	name := x.label
	if name == id.String() {
		x.label, name = "a principal without a name", "principal"
	}
	for _, c := range s.Clusters {
		for _, i := range m.plan.e.Identities(c) {
			if i.Principal != id {
				continue
			}
			x.label, name, x.resource = fmt.Sprintf("the %s identity %s of cluster %s", i.Label(), i.Name, c.ID.Name()), i.Name, canonical(i.Resource)
			if i.Kind == estate.SystemAssigned {
				x.resource = canonical(c.ID)
			}
		}
	}
	x.symbol = m.symbol(name)
	if ex := m.plan.e.Expressions(); ex.Language == estate.Terraform {
		x.written, _ = ex.Principal(id)
	}
	m.principals = append(m.principals, x)
	return x
}

// symbol makes a name of a text that Bicep and, in snake case, Terraform take, and that is not taken yet.
func (m *module) symbol(text string) string {
	var b strings.Builder
	upper := false
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			if b.Len() == 0 {
				r = unicode.ToLower(r)
				if r >= '0' && r <= '9' {
					b.WriteByte('x')
				}
			} else if upper {
				r = unicode.ToUpper(r)
			}
			b.WriteRune(r)
			upper = false
		default:
			upper = true
		}
	}
	name := b.String()
	if name == "" {
		name = "x"
	}
	free := name
	for n := 2; m.names[strings.ToLower(free)]; n++ {
		free = fmt.Sprintf("%s%d", name, n)
	}
	m.names[strings.ToLower(free)] = true
	return free
}

// canonical spells an id as Azure's own functions do: the words of the path in their case, the subscription in lower case.
func canonical(id azure.ID) azure.ID {
	scope, typ, names := id.Split()
	switch {
	case strings.EqualFold(typ, azure.TypeSubscription):
		return azure.SubscriptionID(strings.ToLower(names[0]))
	case strings.EqualFold(typ, azure.TypeResourceGroup):
		return azure.SubscriptionID(strings.ToLower(names[0])).Join("resourceGroups", names[1])
	case typ == "" || scope.IsZero() || scope.Equal(azure.Root):
		return id
	}
	return canonical(scope).Resource(typ, names...)
}

// relative are the type and the names of a resource in its resource group.
func relative(id azure.ID) (typ string, names []string) {
	_, typ, names = id.Split()
	return typ, names
}

// versions are the api-versions that modules refer to resources with.
var versions = map[string]string{
	"microsoft.authorization": "2022-04-01", "microsoft.compute": "2024-03-02", "microsoft.compute/disks": "2024-03-02",
	"microsoft.compute/capacityreservationgroups": "2024-07-01", "microsoft.compute/hostgroups": "2024-07-01",
	"microsoft.containerregistry": "2023-07-01", "microsoft.containerservice": "2025-05-01", "microsoft.keyvault": "2023-07-01",
	"microsoft.managedidentity": "2023-01-31", "microsoft.network": "2024-05-01", "microsoft.network/dnszones": "2018-05-01",
	"microsoft.network/privatednszones": "2020-06-01", "microsoft.storage": "2023-05-01", "microsoft.operationalinsights": "2023-09-01",
}

// version finds the api-version of a type, or of its provider; "" if none is known.
func version(typ string) string {
	key := strings.ToLower(typ)
	for {
		if v, ok := versions[key]; ok {
			return v
		}
		cut := strings.LastIndexByte(key, '/')
		if cut < 0 {
			return ""
		}
		key = key[:cut]
	}
}

// comments are what the module leaves to a person, each line behind a mark.
func (m *module) comments(mark string) string {
	if len(m.left) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s Not in here: once the roles above count (aksid wait), in this order:\n", mark)
	for _, s := range m.left {
		fmt.Fprintf(&b, "%s   %s\n", mark, plain.Text(s.What))
		for _, line := range s.Az {
			fmt.Fprintf(&b, "%s     %s\n", mark, plain.Text(line))
		}
	}
	return b.String()
}
