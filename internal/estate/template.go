package estate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/plain"
	"aksid/internal/template"
)

// deployed is an ARM template on its way into an estate: as with plans, its resources become the documents that ARM will have.
type deployed struct {
	in     *filesReader
	file   string
	open   map[string]string // members of the last document that only the deployment will know, with their expressions
	text   []byte
	result *template.Result
	other  []*template.Resource          // as they would be in another resource group of another subscription
	ids    map[string]*template.Resource // by the key of the id
}

func isTemplate(m map[string]any) bool {
	schema := strings.ToLower(textAt(m, "$schema"))
	_, resources := m["resources"]
	return resources && strings.Contains(schema, "deploymenttemplate.json")
}

func isParameters(m map[string]any) bool {
	return strings.Contains(strings.ToLower(textAt(m, "$schema")), "deploymentparameters.json") && mapAt(m, "parameters") != nil
}

// takeTemplate reads a template once everything else was read: its parameters may be in a file that comes later.
func (in *filesReader) takeTemplate() error {
	t, err := template.Parse(in.text)
	if err != nil {
		return err
	}
	path, text := in.path, in.text
	in.later = append(in.later, func() error {
		params, err := in.parametersOf(path)
		if err != nil {
			return err
		}
		d := &deployed{in: in, file: path, text: text, ids: map[string]*template.Resource{}}
		d.result = in.deployment(t, params, in.group()).Evaluate()
		d.other = slices.Collect(in.elsewhere(t, params).Evaluate().All())
		if err := d.failed(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return d.convert()
	})
	return nil
}

// parametersOf finds a template's parameters: those that the user names, or NAME.parameters.json beside NAME.json.
func (in *filesReader) parametersOf(path string) (template.Parameters, error) {
	text, from := in.parameters[strings.TrimSuffix(path, filepath.Ext(path))+".parameters.json"], path
	if in.Parameters != "" {
		from = in.Parameters
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if text, err = readText(f); err != nil {
			return nil, err
		}
	} else if text == nil && len(in.parameters) == 1 {
		for from, text = range in.parameters { // the only one
		}
	}
	if text == nil {
		return template.Parameters{}, nil
	}
	params, err := template.ParseParameters(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return params, nil
}

// group is the resource group that a template goes to where the user names none.
func (in *filesReader) group() string {
	if in.Group != "" {
		return in.Group
	}
	return "{resourceGroup}"
}

func (in *filesReader) deployment(t *template.Template, params template.Parameters, group string) *template.Deployment {
	sub := in.Subscription
	if sub.IsZero() {
		sub = azure.MustGUID(UnnamedSubscription)
	}
	return &template.Deployment{
		Template: t, Parameters: params, Partial: true, Name: "check", Subscription: sub, Group: group,
		Location: "westeurope", Now: time.Unix(0, 0).UTC(), NewGUID: func() azure.GUID { return foreseenGUID("new") },
	}
}

// elsewhere is the same deployment to another resource group: what has the same name there does not depend on the scope.
func (in *filesReader) elsewhere(t *template.Template, params template.Parameters) *template.Deployment {
	d := in.deployment(t, params, in.group()+"-elsewhere")
	d.Subscription = foreseenGUID("elsewhere")
	return d
}

// failed are the faults of the template, in ARM's words: the first of them, with its place.
func (d *deployed) failed() error {
	if len(d.result.Errors) == 0 {
		return nil
	}
	e := d.result.Errors[0]
	if e.Line == 0 {
		return e
	}
	return fmt.Errorf("line %d: %w", e.Line, e)
}

// convert takes the resources in: those that others name by their principals first.
func (d *deployed) convert() error {
	if d.in.Subscription.IsZero() {
		d.in.estate.names[UnnamedSubscription] = "target"
		d.in.estate.names[strings.ToLower(TargetSubscription)] = "target"
	}
	d.noteUnsaid()
	d.in.planned(d.comesAfter)
	var late []*template.Resource
	for r := range d.result.All() {
		if r.ID.IsZero() || r.Condition == false || r.Existing {
			continue
		}
		d.ids[r.ID.Key()] = r
		switch {
		case strings.EqualFold(r.Type, TypeIdentity):
			d.identity(r)
		case strings.EqualFold(r.Type, TypeCluster), strings.EqualFold(r.Type, typeAssignment):
			late = append(late, r)
		case !strings.EqualFold(r.Type, "Microsoft.Resources/deployments"):
			d.take(r)
		}
	}
	d.privateEndpoints()
	for _, typ := range []string{TypeCluster, typeAssignment} {
		for _, r := range late {
			switch {
			case !strings.EqualFold(r.Type, typ):
			case typ == TypeCluster:
				d.cluster(r)
			default:
				d.assignment(r)
			}
		}
	}
	language := d.language()
	for r := range d.result.All() {
		if d.ids[r.ID.Key()] == r || r.Existing && !r.ID.IsZero() {
			d.express(language, r)
		}
	}
	return nil
}

// privateEndpoints connects private endpoints to what they are for: Azure approves one where its maker may write both ends.
func (d *deployed) privateEndpoints() {
	for _, r := range d.in.estate.resources {
		if !strings.EqualFold(r.ID.Type(), "Microsoft.Network/privateEndpoints") {
			continue
		}
		for _, id := range r.Links("properties.privateLinkServiceConnections", "properties.privateLinkServiceId") {
			connectPrivately(d.in.docOf(id))
		}
	}
}

// noteUnsaid says which parameters have no value: what hangs on them is not known.
func (d *deployed) noteUnsaid() {
	var names []string
	for _, v := range d.result.Parameters {
		if u, ok := v.Value.(*template.Unknown); ok && strings.EqualFold(u.Expr, "parameters('"+v.Name+"')") {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		d.in.incomplete(Incomplete{
			What: "what depends on the parameters " + strings.Join(names, ", "), Why: "they have no value and no default",
			Right: "a file with their values: --parameters FILE",
		})
	}
}

// document is what a resource writes, as ARM will have it: values that are not known and are ids, or properties of resources
// whose values are foreseen, are filled in; the rest is left out.
func (d *deployed) document(r *template.Resource) Doc {
	d.open = map[string]string{}
	doc, _ := d.plain(map[string]any(r.Document), "").(map[string]any)
	if doc == nil {
		doc = Doc{}
	}
	doc["id"], doc["name"], doc["type"] = r.ID.String(), r.ID.Name(), r.Type
	return doc
}

// plain fills in what is foreseen of a value. What is not known is left out, and noted in d.open by its path.
func (d *deployed) plain(v any, path string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if p := d.plain(x, strings.TrimPrefix(path+"."+strings.ToLower(k), ".")); p != nil {
				out[k] = p
			}
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			if p := d.plain(x, path+"[*]"); p != nil {
				out = append(out, p)
			}
		}
		return out
	case *template.Unknown:
		x := d.foresee(v)
		if x == nil && path != "" {
			d.open[path] = v.String()
		}
		return x
	}
	return v
}

// unsaid tells of the last document that was made which members only the deployment will know.
func (d *deployed) unsaid() func(path string) string {
	open := d.open
	return func(path string) string {
		for at := path; ; {
			if why := open[at]; why != "" {
				return why
			}
			cut := max(strings.LastIndexByte(at, '.'), strings.LastIndex(at, "[*]"))
			if cut <= 0 {
				return ""
			}
			at = at[:cut]
		}
	}
}

// foresee is the value of an unknown: an id with known parts, a property of a resource that is foreseen, or one of a few
// choices of which only one is left.
func (d *deployed) foresee(u *template.Unknown) any {
	if ref, ok := u.Ref(); ok {
		if v := at(d.in.docOf(ref.ID), strings.ReplaceAll(ref.Path, "[0]", "")); v != nil && ref.Function == "" {
			return v
		}
	}
	if id, ok := u.ID(); ok {
		return id.String()
	}
	var left []any
	for _, c := range u.Choices {
		if v := d.plain(c, ""); v != nil && v != "" {
			left = append(left, v)
		}
	}
	if len(left) == 1 {
		return left[0]
	}
	return nil
}

// docOf is the document of a resource that was taken in.
func (b *builder) docOf(id azure.ID) map[string]any { return b.estate.resources[id.Key()].Doc }

func (d *deployed) take(r *template.Resource) {
	doc := d.document(r)
	switch {
	case strings.EqualFold(r.Type, TypeRegistry):
		if textAt(doc, "properties.loginServer") == "" {
			put(doc, "properties.loginServer", strings.ToLower(readable(r.ID.Name()))+".azurecr.io")
		}
		if textAt(doc, "properties.roleAssignmentMode") == "" {
			put(doc, "properties.roleAssignmentMode", "LegacyRegistryPermissions")
		}
		d.in.estate.Brought = append(d.in.estate.Brought, r.ID)
	case strings.EqualFold(r.Type, TypeNetwork):
		for _, s := range listAt(doc, "properties.subnets") {
			if m, ok := s.(map[string]any); ok && textAt(m, "name") != "" {
				m["id"] = safeJoin(r.ID, "subnets", textAt(m, "name")).String()
			}
		}
	}
	d.add(r, doc)
}

func (d *deployed) add(r *template.Resource, doc Doc) {
	d.in.declare(r.ID, d.declaration(r, r.ID))
	_ = d.in.add(doc, "", "") // what is malformed is unknown
}

func (d *deployed) declaration(r *template.Resource, id azure.ID) Declaration {
	address := r.Symbol
	switch {
	case address == "" && r.Partial && strings.HasPrefix(r.ID.Name(), "{"): // a name that only the deployment knows
		address = fmt.Sprintf("%s in line %d", r.Type, r.Line)
	case address == "":
		address = r.Type + " " + r.Name
	}
	return Declaration{Location: Location{File: d.file, Line: r.Line, Column: r.Column, Address: address}, Creates: true, unsaid: d.unsaid()}
}

// identity takes a user-assigned identity, with the principal that it will get.
func (d *deployed) identity(r *template.Resource) {
	doc := d.document(r)
	if textAt(d.in.docOf(r.ID), "properties.principalId") == "" {
		principal, client := foreseenGUID(r.ID.String(), "principal").String(), foreseenGUID(r.ID.String(), "client").String()
		put(doc, "properties.principalId", principal)
		put(doc, "properties.clientId", client)
		d.in.foreseePrincipal(principal, client, r.ID.Name(), true)
	} else { // it is there: a template writes again what exists
		doc = d.in.docOf(r.ID)
	}
	d.add(r, doc)
}

func (d *deployed) cluster(r *template.Resource) {
	doc := d.document(r)
	if why := cmp.Or(d.open["identity"], d.open["identity.type"]); why != "" {
		d.in.incomplete(Incomplete{
			What: "the identity of cluster " + readable(r.ID.Name()), Why: "only the deployment will know it: " + plain.Short(why),
			Right: "a file with the values of the template's parameters: --parameters FILE",
		})
	}
	if old := d.in.docOf(r.ID); old != nil {
		for _, member := range []string{"identity", "properties.identityProfile", "properties.addonProfiles", "properties.nodeResourceGroup"} {
			if v := at(old, member); v != nil {
				put(doc, member, v)
			}
		}
	}
	d.in.foreseeCluster(doc, d.in.docOf(r.ID) == nil)
	d.add(r, doc)
}

func (d *deployed) assignment(r *template.Resource) {
	doc := d.document(r)
	scope, _, _ := r.ID.Split()
	principal := textAt(doc, "properties.principalId")
	if !isGUID(principal) {
		g := foreseenGUID("whoever", r.ID.String())
		principal = g.String()
		d.in.putObject(Object{ID: g, Type: "Group", Name: d.declaration(r, r.ID).Address})
		d.in.addMember(g, g)
		d.in.unsureOf(azure.PrincipalID{}, []azure.PrincipalID{g})
		put(doc, "properties.principalType", "Group")
	}
	put(doc, "properties.principalId", principal)
	put(doc, "properties.scope", scope.String())
	if roleID(textAt(doc, "properties.roleDefinitionId")).IsZero() {
		put(doc, "properties.roleDefinitionId", azure.Root.Resource(typeDefinition, foreseenGUID("role of", r.ID.String()).String()).String())
	}
	decl := d.declaration(r, r.ID)
	decl.Name = d.badName(r)
	d.in.declare(r.ID, decl)
	_ = d.in.add(doc, "", "")
}

// badName says what is wrong with the name of a role assignment. It must differ wherever scope, principal or role differ, as
// it is one for the whole tenant, and be the same when the template is deployed again.
func (d *deployed) badName(r *template.Resource) string {
	name := strings.ToLower(d.writtenName(r))
	switch {
	case name == "":
		return ""
	case !strings.HasPrefix(name, "["):
		return "it is always the same"
	case strings.Contains(name, "newguid("):
		return "it is another one at each deployment"
	case strings.Contains(name, "utcnow("):
		return "it is another one at each deployment"
	case d.sameElsewhere(r):
		return "it is the same in another resource group"
	}
	return ""
}

// sameElsewhere reports whether a role assignment has another scope in another resource group, and the same name.
func (d *deployed) sameElsewhere(r *template.Resource) bool {
	return slices.ContainsFunc(d.other, func(o *template.Resource) bool {
		return o.Line == r.Line && o.Column == r.Column && o.ID.Name() == r.ID.Name() && !o.ID.Parent().Equal(r.ID.Parent())
	})
}

// writtenName is the name as the template has it: the resource's object begins where its Line and Column say.
func (d *deployed) writtenName(r *template.Resource) string {
	var raw struct{ Name string }
	if r.Line == 0 || json.Unmarshal(objectAt(d.text, r.Line, r.Column), &raw) != nil {
		return ""
	}
	return raw.Name
}

// objectAt is the JSON object that begins at a place of a text; nil where there is none.
func objectAt(text []byte, line, column int) []byte {
	for ; line > 1; line-- {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return nil
		}
		text = text[i+1:]
	}
	if column < 1 || column > len(text) {
		return nil
	}
	var raw json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(text[column-1:])).Decode(&raw); err != nil {
		return nil
	}
	return raw
}

func (d *deployed) comesAfter(x, y azure.ID) bool {
	a, b := d.ids[x.Key()], d.ids[y.Key()]
	return a != nil && b != nil && a.After(b)
}
