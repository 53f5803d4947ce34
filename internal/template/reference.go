package template

import (
	"strings"

	"aksid/internal/azure"
)

// found is what a function's first argument names: a resource of the template, or one that is only known by its id.
type found struct {
	resource *Resource // nil if the template does not have it
	id       azure.ID  // zero if it is unknown
	spelled  any       // as the template spells it
}

// lookup finds a resource by symbolic name, by id, or by its name alone.
func (e *env) lookup(v any) (found, error) {
	text := fillText(v)
	for _, f := range []*frame{e.home, e.frame} {
		if all, _ := f.known(text); len(all) == 1 {
			return found{all[0], all[0].ID, v}, nil
		}
	}
	if strings.Contains(text, "/") && !strings.HasPrefix(text, "/") && !isUnknown(v) {
		text = e.home.absolute(text)
	}
	if strings.HasPrefix(text, "/") {
		id, err := azure.ParseID(text)
		if err != nil {
			return found{}, faultf("The resource id '%s' is not valid: %s", clip(text), err)
		}
		id = canonical(id)
		for _, known := range []map[string]*Resource{e.home.byID, e.frame.byID, e.run.byID} {
			if r := known[id.Key()]; r != nil {
				return found{r, r.ID, v}, nil
			}
		}
		return found{nil, id, v}, nil
	}
	for _, f := range []*frame{e.home, e.frame} { // also by a name of which a part is unknown: it is the same part
		if r := f.named(text); r != nil && text != "" {
			return found{r, r.ID, v}, nil
		}
	}
	if isUnknown(v) {
		return found{nil, azure.ID{}, v}, nil
	}
	return found{}, undefined(text)
}

func undefined(name string) error {
	return invalid(nil, "The resource '%s' is not defined in the template. "+seeTemplate, clip(name))
}

// named is the only resource with a name.
func (f *frame) named(name string) (only *Resource) {
	for _, r := range f.resources {
		if !strings.EqualFold(r.Name, name) {
			continue
		}
		if only != nil {
			return nil
		}
		only = r
	}
	return only
}

// reads notes that the resource being evaluated depends on another. Across the border of a template that is evaluated in
// the outer scope, its deployment does.
func (e *env) reads(r *Resource) error {
	owner := e.owner
	if owner == nil || r == nil {
		return nil
	}
	if owner == r {
		return circular(r)
	}
	for f := e.home; !f.has(r); f = owner.env.home {
		if owner = f.owner; f.outer == nil || owner == nil {
			return nil // another deployment's: nothing orders them
		}
	}
	owner.depend(r)
	return nil
}

func circular(r *Resource) error {
	return invalid(nil, "Circular dependency detected on resource: '%s'. "+seeResources, r.ID)
}

func (f *frame) has(r *Resource) bool { return r.Deployment == f.owner }

func (r *Resource) depend(other *Resource) {
	for _, d := range r.DependsOn {
		if d == other {
			return
		}
	}
	r.DependsOn = append(r.DependsOn, other)
}

// readable reports whether what is deployed can be read at this place.
func (e *env) readable(function string) error {
	if e.spot == inBody || e.spot == inOutput {
		return nil
	}
	return faultf("The template function '%s' is not expected at this location. "+seeFunctions, function)
}

// evalReference is reference(resource, [version], ['Full']).
func evalReference(e *env, x *expr) (any, error) {
	if err := arityOf("reference", 1, 3, x); err != nil {
		return nil, err
	}
	if err := e.readable("reference"); err != nil {
		return nil, err
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, err
	}
	at, err := e.lookup(args[0])
	if err != nil {
		return nil, err
	}
	if at.resource == nil && len(args) < 2 && !at.id.IsZero() && !isUnknownText(at.id.String()) {
		_, typ, _ := at.id.Split()
		return nil, invalid(nil, "The template resource '%s' reference to '%s/%s' requires an API version. "+seeTemplate, e.ownerName(), typ, at.id.Name())
	}
	if err := e.reads(at.resource); err != nil {
		return nil, err
	}
	return e.read(at, args)
}

func (e *env) ownerName() string {
	if e.owner == nil {
		return ""
	}
	return e.owner.Name
}

// read is a resource's properties, or the whole of it.
func (e *env) read(at found, args []any) (any, error) {
	version, full := "", false
	if len(args) > 1 {
		version, _ = args[1].(string)
	}
	if version == "" && at.resource != nil {
		version = at.resource.Version
	}
	if len(args) > 2 {
		s, _ := args[2].(string)
		full = strings.EqualFold(s, "full")
	}
	if doc, ok := e.run.existing(at.id, version); ok {
		return whole(doc, at.id, version, full), nil
	}
	path := "properties"
	if full {
		path = ""
	}
	u := e.run.newUnknown("reference", spelledArgs(at, args))
	if !at.id.IsZero() {
		u = reading(u.Expr, Ref{ID: at.id, Path: path, Version: version})
	}
	return u, e.known(u, at, version, full)
}

// spelledArgs names the resource by its id where it can.
func spelledArgs(at found, args []any) []any {
	out := append([]any{}, args...)
	if _, ok := at.spelled.(string); ok && !at.id.IsZero() && !isUnknownText(at.id.String()) {
		out[0] = at.id.String()
	}
	return out
}

// known fills in what is known of a resource that is not there yet: the outputs of a nested deployment, and its own names.
func (e *env) known(u *Unknown, at found, version string, full bool) error {
	outputs, err := e.outputsOf(at.resource)
	if err != nil {
		return err
	}
	if outputs != nil {
		values := newObject()
		outputs.each(func(name string, v any) {
			values.set(name, newObject("type", typeOfOutput(at.resource.Nested, name), "value", v))
		})
		u.parts = newObject("outputs", values)
	}
	if full && !at.id.IsZero() && !isUnknownText(at.id.String()) {
		inner := u.parts
		u.parts = newObject("resourceId", at.id.String(), "subscriptionId", at.id.Subscription(), "resourceGroupName", at.id.ResourceGroup(), "apiVersion", version)
		if inner != nil {
			properties, _ := e.property(u, "properties")
			properties.(*Unknown).parts = inner
			u.parts.set("properties", properties)
		}
	}
	return nil
}

func typeOfOutput(r *Result, name string) string {
	for _, o := range r.Outputs {
		if o.Name == name {
			return o.Type
		}
	}
	return ""
}

// outputsOf evaluates a nested deployment of the template and gives its outputs; nil for anything else.
func (e *env) outputsOf(r *Resource) (*object, error) {
	if r == nil || !strings.EqualFold(r.Type, deploymentType) || r.Existing {
		return nil, nil
	}
	if r.state == busy {
		return nil, circular(r)
	}
	r.env.home.resolve(r)
	if r.frame == nil {
		return nil, nil
	}
	return r.frame.outputs, nil
}

// whole is what reference() gives of a resource that is there.
func whole(doc map[string]any, id azure.ID, version string, full bool) any {
	if !full {
		return fromPlain(doc["properties"])
	}
	o := fromPlain(doc).(*object)
	for _, m := range [][2]string{{"apiVersion", version}, {"resourceId", id.String()}, {"subscriptionId", id.Subscription()}, {"resourceGroupName", id.ResourceGroup()}} {
		if _, ok := o.get(m[0]); !ok && m[1] != "" {
			o.set(m[0], m[1])
		}
	}
	return o
}

// evalReferences is references(loop, ['Full']): what reference() gives, for each turn of a loop.
func evalReferences(e *env, x *expr) (any, error) {
	if err := arityOf("references", 1, 2, x); err != nil {
		return nil, err
	}
	if err := e.readable("references"); err != nil {
		return nil, err
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, err
	}
	loop := fillText(args[0])
	if e.frame.open[lower(loop)] != nil {
		return e.run.newUnknown("references", args), nil
	}
	all, ok := e.frame.bySymbol[lower(loop)]
	if !ok {
		return nil, undefined(loop)
	}
	list := []any{}
	for _, r := range all {
		if err := e.reads(r); err != nil {
			return nil, err
		}
		v, err := e.read(found{r, r.ID, loop}, append([]any{loop, r.Version}, args[1:]...))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// evalResourceInfo is what is known of a resource of the template without deploying it.
func evalResourceInfo(e *env, x *expr) (any, error) {
	if err := arityOf("resourceInfo", 1, 1, x); err != nil {
		return nil, err
	}
	v, err := e.eval(x.args[0])
	if err != nil {
		return nil, err
	}
	name := fillText(v)
	all, _ := e.frame.known(name)
	if len(all) != 1 {
		return nil, undefined(name)
	}
	r := all[0]
	return newObject("id", partial(r.ID.String(), "resourceInfo("+quoteText(name)+").id"), "name", partial(r.Name, "resourceInfo("+quoteText(name)+").name"),
		"type", r.Type, "apiVersion", r.Version), nil
}

// partial is a text that may have {expression} in it.
func partial(text, expr string) any {
	if isUnknownText(text) {
		return &Unknown{Expr: expr, Text: text}
	}
	return text
}

// listFunction is a function that a resource provider answers, as listKeys.
func listFunction(name string) *function {
	return def("any any? any?", func(e *env, a []any) (any, error) { return e.list(name, a) }).isLax().isRuntime()
}

// listNames spells the functions whose names are known, by lower-cased name.
var listNames = map[string]string{"listkeys": "listKeys", "listclusteradmincredential": "listClusterAdminCredential",
	"listclusterusercredential": "listClusterUserCredential", "listcredentials": "listCredentials", "listsecrets": "listSecrets",
	"listconnectionstrings": "listConnectionStrings", "listaccountsas": "listAccountSas", "listservicesas": "listServiceSas"}

func (e *env) list(name string, args []any) (any, error) {
	at, err := e.lookup(args[0])
	if err != nil {
		return nil, err
	}
	if err := e.reads(at.resource); err != nil {
		return nil, err
	}
	if name == "listoutputswithsecurevalues" {
		if outputs, err := e.outputsOf(at.resource); outputs != nil || err != nil {
			return outputs, err
		}
	}
	if spelled := listNames[name]; spelled != "" {
		name = spelled
	}
	ref := Ref{ID: at.id, Function: name}
	if len(args) > 1 {
		ref.Version, _ = args[1].(string)
	}
	var input any
	if len(args) > 2 {
		input = e.run.plain(args[2])
	}
	if e.run.Existing != nil && !at.id.IsZero() && e.run.known(args) {
		if v, ok := e.run.Existing.List(at.id, name, ref.Version, input); ok {
			return fromPlain(v), nil
		}
	}
	u := e.run.newUnknown(name, spelledArgs(at, args))
	if at.id.IsZero() {
		return u, nil
	}
	return reading(u.Expr, ref), nil
}
