package estate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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
	byKey    map[string]Expression // keys of ids, and object ids
	home     azure.ID              // resource group that a template goes to
}

// Home reports whether an id is the resource group that a template goes to.
func (x Expressions) Home(id azure.ID) bool { return !id.IsZero() && id.Equal(x.home) }

// Expression is a text in the language of a plan or template.
type Expression struct {
	Text   string
	Module string // symbolic name of the module of a Bicep file in which alone the text means something; "": the file itself
	Away   bool   // it names something outside of the resource group that the template goes to
}

// Expressions of the plan or template that the estate was read from; without a language where there is none.
func (e *Estate) Expressions() Expressions { return e.expressions }

// ID is what names a resource's id; false where it is there already, or written nowhere.
func (x Expressions) ID(id azure.ID) (Expression, bool) { s, ok := x.byKey[id.Key()]; return s, ok }

// Principal is what gives the object id of an identity that will be made.
func (x Expressions) Principal(p azure.PrincipalID) (Expression, bool) {
	s, ok := x.byKey[p.String()]
	return s, ok
}

// Symbols are the symbolic names that a Bicep file has taken.
func (x Expressions) Symbols() []string {
	var out []string
	for _, e := range x.byKey {
		if x.Language == Bicep {
			out = append(out, cmp.Or(e.Module, e.Text[:strings.IndexAny(e.Text+".", ".[")]))
		}
	}
	return out
}

// Foreseen reports whether a principal is one that a plan or template brings: its object id here is made up.
func (e *Estate) Foreseen(p azure.PrincipalID) bool { return e.fresh[p] }

// express notes an expression.
func (b *builder) express(language, key string, e Expression) {
	x := &b.estate.expressions
	if x.byKey == nil {
		x.byKey = map[string]Expression{}
	}
	x.Language = language
	if _, ok := x.byKey[key]; !ok && key != "" {
		x.byKey[key] = e
	}
}

// express notes what names a resource of the plan and the identities that it brings. An address in a module is one that the
// module has to give out.
func (p *plan) express(r *planned) {
	id := p.id(r)
	if id.IsZero() || r.data {
		return
	}
	p.in.express(Terraform, id.Key(), Expression{Text: r.address + ".id"})
	if !r.made {
		return
	}
	foreseen := p.foreseen(r)
	for _, path := range slices.Sorted(maps.Keys(foreseen)) {
		v, last := foreseen[path], path[strings.LastIndexByte(path, '.')+1:]
		if isGUID(v) && isOneOf(last, "principal_id", "object_id") {
			p.in.express(Terraform, strings.ToLower(v), Expression{Text: r.address + "." + strings.ReplaceAll(path, ".", "[0].")})
		}
	}
}

// language is Bicep where the template has symbolic names.
func (d *deployed) language() string {
	if slices.ContainsFunc(d.result.Resources, func(r *template.Resource) bool { return r.Symbol != "" }) {
		return Bicep
	}
	return ARM
}

// express notes what names a resource of the template and the identities that it brings.
func (d *deployed) express(language string, r *template.Resource) {
	id, full, properties := r.Symbol+".id", r.Symbol, r.Symbol+".properties"
	if language == ARM {
		id = resourceExpression(r.ID)
		properties = fmt.Sprintf("reference(%s, '%s')", id, r.Version)
		full = fmt.Sprintf("reference(%s, '%s', 'Full')", id, r.Version)
	}
	if id == "" || language == Bicep && r.Symbol == "" {
		return // a name that nothing tells
	}
	module, away := moduleOf(r), !d.in.goesTo(r.ID)
	if !away {
		d.in.estate.expressions.home = r.ID.GroupID()
	}
	d.in.express(language, r.ID.Key(), Expression{id, module, away})
	note := func(path, text string) {
		if p := textAt(d.in.docOf(r.ID), path); isGUID(p) {
			d.in.express(language, strings.ToLower(p), Expression{text, module, away})
		}
	}
	switch {
	case strings.EqualFold(r.Type, TypeNetwork) && language == ARM:
		for _, s := range listAt(d.in.docOf(r.ID), "properties.subnets") {
			if subnet := linkAt(s, "id"); !subnet.IsZero() {
				d.in.express(language, subnet.Key(), Expression{resourceExpression(subnet), module, away})
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

// moduleOf is the symbolic name, at the top of the template, of what holds a resource; "" where the resource is there itself.
func moduleOf(r *template.Resource) string {
	out := ""
	for up := r.Deployment; up != nil; up = up.Deployment {
		out = cmp.Or(up.Symbol, up.Name)
	}
	return out
}

// goesTo reports whether something is in the resource group that templates go to.
func (in *filesReader) goesTo(id azure.ID) bool {
	same := Unnamed(id.Subscription()) || strings.EqualFold(id.Subscription(), in.Subscription.String())
	return same && strings.EqualFold(id.ResourceGroup(), in.group())
}

// resourceExpression is the expression for the id of a resource in the resource group of its deployment; "" where a part of its name
// is not known even as an expression.
func resourceExpression(id azure.ID) string {
	_, typ, names := id.Split()
	words := []string{"'" + typ + "'"}
	for _, n := range names {
		w := nameExpression(n)
		if w == "" {
			return ""
		}
		words = append(words, w)
	}
	return "resourceId(" + strings.Join(words, ", ") + ")"
}

// nameExpression is the expression for a name in which unknown parts stand as {expression}; "" where one was cut short.
func nameExpression(name string) string {
	text, parts, ok := SplitName(name)
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	switch {
	case !ok:
		return ""
	case len(parts) == 0:
		return quoted
	case text == "{0}":
		return parts[0]
	}
	return "format(" + quoted + ", " + strings.Join(parts, ", ") + ")"
}

// SplitName takes a name apart in which what only a deployment knows stands as {expression}: text has {0}, {1} and so on in the
// place of these. ok is false where one was cut short.
func SplitName(name string) (text string, expressions []string, ok bool) {
	var b strings.Builder
	for {
		open := strings.IndexByte(name, '{')
		end := -1
		if open >= 0 {
			end = closing(name, open)
		}
		if end < 0 {
			b.WriteString(name)
			return b.String(), expressions, open < 0
		}
		fmt.Fprintf(&b, "%s{%d}", name[:open], len(expressions))
		x := strings.ReplaceAll(name[open+1:end], "%2F", "/")
		if strings.Contains(x, "…") {
			return name, nil, false
		}
		expressions, name = append(expressions, x), name[end+1:]
	}
}

// readable is a name for a person: a long expression in it is left out.
func readable(name string) string {
	const most = 40
	for from := 0; ; {
		open := strings.IndexByte(name[from:], '{')
		if open < 0 {
			return name
		}
		open += from
		end := closing(name, open)
		if end < 0 {
			return name
		}
		if end-open > most {
			name, end = name[:open]+"{…}"+name[end+1:], open+len("{…}")-1
		}
		from = end + 1
	}
}

// closing is where a brace closes, outside of the texts in the expression; -1: nowhere.
func closing(s string, open int) int {
	depth, quoted := 0, false
	for i := open; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
