package estate

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// Languages of plans and templates, as users call them.
const (
	Terraform = "terraform"
	Bicep     = "bicep"
	ARM       = "arm" // a template without symbolic names
)

// Expressions are how a plan or template would name something that is not there yet, in its own language.
type Expressions struct {
	Language string
	byKey    map[string]string // keys of ids, and object ids
}

// Expressions of the plan or template that the estate was read from; without a language where there is none.
func (e *Estate) Expressions() Expressions { return e.expressions }

// ID is what names a resource's id; false where it is there already, or written nowhere.
func (x Expressions) ID(id azure.ID) (string, bool) { s, ok := x.byKey[id.Key()]; return s, ok }

// Principal is what gives the object id of an identity that will be made.
func (x Expressions) Principal(p azure.PrincipalID) (string, bool) {
	s, ok := x.byKey[p.String()]
	return s, ok
}

// Foreseen reports whether a principal is one that a plan or template brings: its object id here is made up.
func (e *Estate) Foreseen(p azure.PrincipalID) bool { return e.fresh[p] }

// express notes an expression.
func (b *builder) express(language, key, text string) {
	x := &b.estate.expressions
	if x.byKey == nil {
		x.byKey = map[string]string{}
	}
	x.Language = language
	if _, ok := x.byKey[key]; !ok && key != "" {
		x.byKey[key] = text
	}
}

// express notes what names a resource of the plan and the identities that it brings. An address in a module is one that the
// module has to give out.
func (p *plan) express(r *planned) {
	id := p.id(r)
	if id.IsZero() || r.data {
		return
	}
	p.in.express(Terraform, id.Key(), r.address+".id")
	if !r.made {
		return
	}
	for path, v := range p.foreseen(r) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if isGUID(v) && isOneOf(last, "principal_id", "object_id") {
			p.in.express(Terraform, strings.ToLower(v), r.address+"."+strings.ReplaceAll(path, ".", "[0]."))
		}
	}
}

// express notes what names a resource of the template and the identities that it brings.
func (d *deployed) express(r *template.Resource) {
	id, language, full, properties := "", ARM, "", ""
	_, typ, names := r.ID.Split()
	switch {
	case strings.Contains(strings.Join(names, "/"), "{"): // a name that only the deployment knows
		return
	case r.Symbol != "" && !strings.Contains(r.Symbol, "["):
		language, id, full, properties = Bicep, r.Symbol+".id", r.Symbol, r.Symbol+".properties"
	default:
		id = fmt.Sprintf("resourceId('%s', '%s')", typ, strings.Join(names, "', '"))
		properties = fmt.Sprintf("reference(%s, '%s')", id, r.Version)
		full = fmt.Sprintf("reference(%s, '%s', 'Full')", id, r.Version)
	}
	d.in.express(language, r.ID.Key(), id)
	note := func(path, text string) {
		if p := textAt(d.in.docOf(r.ID), path); isGUID(p) {
			d.in.express(language, strings.ToLower(p), text)
		}
	}
	switch {
	case strings.EqualFold(r.Type, TypeNetwork) && language == ARM:
		for _, s := range listAt(d.in.docOf(r.ID), "properties.subnets") {
			if subnet := linkAt(s, "id"); !subnet.IsZero() {
				d.in.express(language, subnet.Key(), fmt.Sprintf("resourceId('%s', '%s', '%s')", TypeSubnet, r.ID.Name(), subnet.Name()))
			}
		}
	case strings.EqualFold(r.Type, TypeIdentity):
		note("properties.principalId", properties+".principalId")
	case strings.EqualFold(r.Type, TypeCluster):
		note("identity.principalId", full+".identity.principalId")
		note("properties.identityProfile.kubeletidentity.objectId", properties+".identityProfile.kubeletidentity.objectId")
		note("properties.ingressProfile."+webAppRouting+".identity.objectId", properties+".ingressProfile."+webAppRouting+".identity.objectId")
		for _, addOn := range sortedNames(mapAt(d.in.docOf(r.ID), "properties.addonProfiles")) {
			note("properties.addonProfiles."+addOn+".identity.objectId", properties+".addonProfiles."+addOn+".identity.objectId")
		}
	}
}
