package remedy

import (
	"fmt"
	"regexp"
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
	plan    Plan
	in      string // the language, as estate has them
	sources []*source
	values  []*value
	parts   []*part
	inline  []assignment // that stand in the Bicep file that was read, beside what they are about
	left    []Step
	names   map[string]bool // symbols that are taken
}

// source is a resource that a module reads values from.
type source struct {
	id            azure.ID
	symbol, label string
}

func (s *source) isCluster() bool { return strings.EqualFold(s.id.Type(), estate.TypeCluster) }

// value is what a module takes from where it stands, never as a bare text where there is a resource: an object id, or the
// issuer of a cluster's tokens.
type value struct {
	text    string // as it is now
	symbol  string // in camelCase
	label   string // what it is
	from    *source
	path    string            // in the document of from, as properties.principalId
	written estate.Expression // how the Terraform plan or Bicep file that brings it names it; without text: none does
	made    string            // symbol of the module of a Bicep file that makes what it is read from
}

// Paths of values in the documents of identities and clusters.
const (
	pathPrincipal = "properties.principalId"
	pathOwn       = "identity.principalId"
	pathIssuer    = "properties.oidcIssuerProfile.issuerURL"
)

// part is what is deployed to one resource group or subscription.
type part struct {
	scope   azure.ID
	late    bool
	symbol  string
	roles   []estate.DefineRole
	assigns []assignment
	trusts  []trust
	permits []permit
	targets []target
}

// target is a resource of a part's scope that something is given on.
type target struct {
	id     azure.ID
	symbol string
}

// assignment is a role assignment of a part.
type assignment struct {
	estate.Assign
	role   azure.GUID
	custom bool // the role is one of the plan's
	to     *value
	symbol string
	on     *target // nil: the part's scope itself
	why    []string
	early  []string // how the plan or Bicep file names the clusters that it makes, and that can wait for the assignment
}

// trust is a federated credential of a part.
type trust struct {
	estate.Federate
	issuer *value
	symbol string
	on     target
	after  string // symbol of the identity's one before: Azure writes one at a time (Microsoft Learn: workload identity federation considerations)
	why    []string
}

// permit is an access policy of a part.
type permit struct {
	estate.Permit
	to     *value
	symbol string
	on     target
	tenant string
	why    []string
}

func (p Plan) module(language string) *module {
	m := &module{plan: p, in: language, names: map[string]bool{}}
	for _, word := range slices.Concat(strings.Fields(bicepWords), p.e.Expressions().Symbols()) {
		m.names[strings.ToLower(word)] = true
	}
	for _, s := range p.Steps {
		if !m.take(s) {
			m.left = append(m.left, s)
		}
	}
	return m
}

// bicepWords are words that mean something to Bicep.
const bicepWords = "resource module param var output existing import using type func metadata for if true false null az sys string int bool object array any targetscope extension provider assert"

// take takes a step into the part that it is deployed with; false if there is none for it.
func (m *module) take(s Step) bool {
	switch c := s.Change.(type) {
	case estate.DefineRole:
		at := m.part(c.Scope, false)
		at.roles = append(at.roles, c)
		return true
	case estate.Assign:
		return m.assign(s, c)
	case estate.Federate:
		m.federate(s, c)
		return true
	case estate.Permit:
		return m.permit(s, c)
	}
	return false
}

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
	a := assignment{Assign: c, role: role, to: m.principal(s, c.Principal), why: s.notes()}
	a.Scope = scope
	a.custom = slices.ContainsFunc(m.plan.Steps, func(s Step) bool { d, ok := s.Change.(estate.DefineRole); return ok && d.ID == role })
	a.symbol = m.symbol(scope.Name() + " " + c.Role + " " + a.to.symbol)
	a.early = m.early(s, a.to)
	if m.fits(a) {
		m.inline = append(m.inline, a)
		return true
	}
	at := m.part(group, m.continues() && len(a.early) == 0)
	if !scope.Equal(group) {
		on := m.target(at, scope)
		a.on = &on
	}
	at.assigns = append(at.assigns, a)
	return true
}

// fits reports whether an assignment can stand in the Bicep file that was read: with its target and what has the identity. A role
// that has to be made first is made in a module.
func (m *module) fits(a assignment) bool {
	x := m.plan.e.Expressions()
	on, known := x.ID(a.Scope)
	return m.continues() && m.in == estate.Bicep && a.to.written.Text != "" && !a.custom && (x.Home(a.Scope) || known && on.Module == "" && !on.Away)
}

// early are the clusters of a step that are made by the plan or Bicep file and can have a role from their beginning on: the
// identity is not the cluster's own.
func (m *module) early(s Step, to *value) []string {
	var out []string
	for _, c := range s.Clusters {
		d, _ := m.plan.e.Declared(c.ID)
		e, ok := m.plan.e.Expressions().ID(c.ID)
		if name := strings.TrimSuffix(e.Text, ".id"); ok && d.Creates && e.Module == "" && m.continues() && to.written.Text != "" && !strings.HasPrefix(to.written.Text, name+".") {
			out = append(out, name)
		}
	}
	return out
}

// waiting says which clusters had better wait for what, by the names that things have.
func (m *module) waiting(mark, word string, name func(assignment, *part) string) string {
	var order []string
	after := map[string][]string{}
	note := func(a assignment, x *part) {
		for _, c := range a.early {
			if after[c] == nil {
				order = append(order, c)
			}
			if n := name(a, x); !slices.Contains(after[c], n) {
				after[c] = append(after[c], n)
			}
		}
	}
	for _, a := range m.inline {
		note(a, nil)
	}
	for _, x := range m.parts {
		for _, a := range x.assigns {
			note(a, x)
		}
	}
	var b strings.Builder
	for _, c := range order {
		fmt.Fprintf(&b, "\n%s Let %s have its roles from the beginning:\n%s   %s\n", mark, plain.Text(c), mark, fmt.Sprintf(word, strings.Join(after[c], ", ")))
	}
	return b.String()
}

// continues reports whether the module is in the language of the plan or Bicep file that was read, and goes into that.
func (m *module) continues() bool {
	return m.in != estate.ARM && m.plan.e.Expressions().Language == m.in
}

// home reports whether something is in the resource group that a template goes to, which nobody has named.
func (m *module) home() bool {
	x := m.plan.e.Expressions()
	return slices.ContainsFunc(m.sources, func(s *source) bool { return x.Home(s.id.GroupID()) }) ||
		slices.ContainsFunc(m.parts, func(p *part) bool { return x.Home(p.scope) })
}

func (m *module) federate(s Step, c estate.Federate) {
	c.Identity = canonical(c.Identity.GroupID().Resource(estate.TypeIdentity, c.Identity.Name())) // providers read ids with case
	at := m.part(c.Identity.GroupID(), m.continues())
	t := trust{Federate: c, issuer: m.issuer(s, c.Issuer), on: m.target(at, c.Identity), symbol: m.symbol(c.Identity.Name() + " " + c.Name), why: s.notes()}
	for _, before := range at.trusts {
		if before.Identity.Equal(c.Identity) {
			t.after = before.symbol
		}
	}
	at.trusts = append(at.trusts, t)
}

// permit takes an access policy. Where the principal has one already, Terraform would have to import it first.
func (m *module) permit(s Step, c estate.Permit) bool {
	if len(m.plan.e.KeyPermissions(c.Vault, c.Principal)) > 0 {
		return false
	}
	vault, _ := m.plan.e.Resource(c.Vault)
	c.Vault = canonical(c.Vault.GroupID().Resource(estate.TypeVault, c.Vault.Name()))
	at := m.part(c.Vault.GroupID(), false)
	to := m.principal(s, c.Principal)
	at.permits = append(at.permits, permit{Permit: c, to: to, on: m.target(at, c.Vault), tenant: vault.Text("properties.tenantId"),
		symbol: m.symbol(c.Vault.Name() + " keys " + to.symbol), why: s.notes()})
	return true
}

// target is a resource that something is given on; several things share it.
func (m *module) target(at *part, id azure.ID) target {
	for _, x := range at.targets {
		if x.id.Equal(id) {
			return x
		}
	}
	x := target{id, m.symbol(id.Name())}
	at.targets = append(at.targets, x)
	return x
}

// part is what is deployed to a resource group or subscription; late is what needs the clusters of the plan or Bicep file, as
// apart from what they can wait for.
func (m *module) part(scope azure.ID, late bool) *part {
	for _, x := range m.parts {
		if x.scope.Equal(scope) && x.late == late {
			return x
		}
	}
	name := scope.Name()
	if strings.EqualFold(scope.Type(), azure.TypeSubscription) {
		name = "subscription " + name[:min(8, len(name))]
	}
	x := &part{scope: canonical(scope), late: late, symbol: m.symbol("roles " + name)}
	m.parts = append(m.parts, x)
	return x
}

// deployment names the deployment of a part; Azure takes 64 characters.
func (x *part) deployment() string {
	const most = 64
	name := "aksid-" + x.symbol
	if len(name) > most {
		name = name[:most-9] + "-" + azure.NamedGUID(x.scope.Key()).String()[:8]
	}
	return name
}

// source is a resource that values are read from, each once.
func (m *module) source(id azure.ID, label string) *source {
	for _, x := range m.sources {
		if x.id.Equal(id) {
			return x
		}
	}
	x := &source{id: canonical(id), label: label, symbol: m.symbol(id.Name())}
	m.sources = append(m.sources, x)
	return x
}

// principal is the object id of whom something is given to.
func (m *module) principal(s Step, id azure.PrincipalID) *value {
	if x := m.value(id.String()); x != nil {
		return x
	}
	x := &value{text: id.String(), label: m.plan.e.PrincipalName(id)}
	name := x.label
	if name == id.String() {
		x.label, name = "a principal without a name", "principal"
	}
	if e, ok := m.plan.e.Expressions().Principal(id); ok && m.continues() {
		if x.made = e.Module; x.made == "" {
			x.written = e
		}
	}
	for _, c := range s.Clusters {
		for _, i := range m.plan.e.Identities(c) {
			if i.Principal == id {
				x.label, name = fmt.Sprintf("the %s identity %s of cluster %s", i.Label(), i.Name, c.ID.Name()), i.Name
				m.read(x, c, i)
			}
		}
	}
	x.label = "Object id of " + x.label
	return m.keep(x, name)
}

// read says where the object id of an identity is read from, unless the plan or Bicep file names it.
func (m *module) read(x *value, c *estate.Cluster, i estate.Identity) {
	switch {
	case x.written.Text != "":
	case m.plan.e.Foreseen(i.Principal) && principalPath(i) != "" && !brought(c, i): // what it will be called, its cluster will tell
		x.from, x.path = m.source(c.ID, "cluster "+c.ID.Name()), inDocument(principalPath(i))
	case i.Kind == estate.SystemAssigned:
		x.from, x.path = m.source(c.ID, x.label), pathOwn
	case !i.Resource.IsZero():
		x.from, x.path = m.source(i.Resource, x.label), pathPrincipal
	}
}

// brought reports whether an identity is not AKS's to make: it is there before its cluster, which can have roles from the beginning.
func brought(c *estate.Cluster, i estate.Identity) bool {
	return i.Kind == estate.UserAssigned && !i.Resource.IsZero() && !c.NodeGroup().Contains(i.Resource)
}

// issuer is who issues the tokens of a cluster, which changes when it is built anew.
func (m *module) issuer(s Step, url string) *value {
	if x := m.value(url); x != nil {
		return x
	}
	x := &value{text: url, label: "Issuer of the tokens of a cluster"}
	name := "issuer"
	for _, c := range s.Clusters {
		if strings.EqualFold(c.Text(pathIssuer), url) {
			x.label, name = "Issuer of the tokens of cluster "+c.ID.Name(), c.ID.Name()+" issuer"
			if x.written = m.issuerText(c.ID); x.written.Text == "" {
				x.from, x.path = m.source(c.ID, "cluster "+c.ID.Name()), pathIssuer
			}
		}
	}
	return m.keep(x, name)
}

// issuerText names the issuer of a cluster as the plan or Bicep file that has the cluster does.
func (m *module) issuerText(cluster azure.ID) estate.Expression {
	x := m.plan.e.Expressions()
	e, ok := x.ID(cluster)
	text := strings.TrimSuffix(e.Text, ".id")
	switch {
	case !ok || e.Module != "" || !m.continues():
	case x.Language == estate.Bicep:
		return estate.Expression{Text: text + "." + pathIssuer}
	case strings.HasPrefix(text, "azurerm_kubernetes_cluster."):
		return estate.Expression{Text: text + ".oidc_issuer_url"}
	}
	return estate.Expression{}
}

// inDocument is a path of az's output in the document of ARM.
func inDocument(path string) string {
	if strings.HasPrefix(path, "identity.") {
		return path
	}
	return "properties." + path
}

func (m *module) value(text string) *value {
	for _, x := range m.values {
		if x.text == text {
			return x
		}
	}
	return nil
}

// keep names a value: as what it is the object id of, where there is that.
func (m *module) keep(x *value, name string) *value {
	if x.from != nil && (x.path == pathPrincipal || x.path == pathOwn) {
		x.symbol = x.from.symbol
	} else {
		x.symbol = m.symbol(name)
	}
	m.values = append(m.values, x)
	return x
}

// values are what a part takes from the main file, each once.
func (x *part) values() []*value {
	var out []*value
	add := func(v *value) {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	for _, a := range x.assigns {
		add(a.to)
	}
	for _, t := range x.trusts {
		add(t.issuer)
	}
	for _, p := range x.permits {
		add(p.to)
	}
	return out
}

// place stands for a part of a name in a split one.
var place = regexp.MustCompile(`\{\d+\}`)

// symbol makes a name of a text that Bicep and, in snake case, Terraform take, and that is not taken yet.
func (m *module) symbol(text string) string {
	if known, parts, ok := estate.SplitName(text); ok && len(parts) > 0 {
		text = place.ReplaceAllString(known, " ") // what only a deployment knows is no name
	}
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
