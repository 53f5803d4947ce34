package policy

import (
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// selection is what a field selects of a document. An array alias selects a collection, which may be empty; another field
// selects one value, which is nil where it is missing.
type selection struct {
	values     []any
	places     [][]within // of each value of a collection
	collection bool
	path       string // in the document, as in properties.agentPoolProfiles[*].count
}

// isField reports whether a name may be that of a field.
func isField(name string) bool {
	switch key := strings.ToLower(name); {
	case slices.Contains([]string{"name", "fullname", "kind", "type", "location", "id", "tags", "identity"}, key):
		return true
	case strings.HasPrefix(key, "identity."), strings.HasPrefix(key, "tags.") && len(key) > len("tags."):
		return true
	case strings.HasPrefix(key, "tags["):
		return strings.HasSuffix(key, "]") // the name may be empty: that of a parameter which is not used
	}
	_, ok := aliasOf(name)
	return ok
}

// tagName takes the name out of tags.x, tags[x], tags['x'] and tags[”'x”'], whose name has apostrophes.
func tagName(field string) string {
	name := field[len("tags"):]
	if dotted, ok := strings.CutPrefix(name, "."); ok {
		return dotted
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if len(name) > 1 && name[0] == '\'' && name[len(name)-1] == '\'' {
		name = strings.ReplaceAll(name[1:len(name)-1], "''", "'")
	}
	return name
}

// alias is a property of a resource type.
type alias struct {
	typ  string
	path []string // member names; [*] for the members of an array
}

// legacyAliases are those that name no type (built-in definitions of Azure/azure-policy), by their lower-cased name.
var legacyAliases = map[string]string{
	"microsoft.compute/imagepublisher": "Microsoft.Compute/virtualMachines/storageProfile.imageReference.publisher",
	"microsoft.compute/imageoffer":     "Microsoft.Compute/virtualMachines/storageProfile.imageReference.offer",
	"microsoft.compute/imagesku":       "Microsoft.Compute/virtualMachines/storageProfile.imageReference.sku",
	"microsoft.compute/imageversion":   "Microsoft.Compute/virtualMachines/storageProfile.imageReference.version",
	"microsoft.compute/imageid":        "Microsoft.Compute/virtualMachines/storageProfile.imageReference.id",
}

// aliasRoots are the members of a document that stand beside its properties (common types of Resource Manager).
var aliasRoots = []string{"sku", "identity", "kind", "zones", "plan", "extendedLocation", "managedBy", "location", "tags"}

// aliasPaths are the aliases whose path is another one than their name says, by lower-cased type and first member.
var aliasPaths = map[string]string{
	"microsoft.keyvault/vaults/sku":                            "properties.sku",
	"microsoft.compute/virtualmachines/sku":                    "properties.hardwareProfile.vmSize",
	"microsoft.compute/virtualmachines/imagepublisher":         "properties.storageProfile.imageReference.publisher",
	"microsoft.compute/virtualmachines/imageoffer":             "properties.storageProfile.imageReference.offer",
	"microsoft.compute/virtualmachines/imagesku":               "properties.storageProfile.imageReference.sku",
	"microsoft.compute/virtualmachines/imageversion":           "properties.storageProfile.imageReference.version",
	"microsoft.compute/virtualmachines/osdisk":                 "properties.storageProfile.osDisk",
	"microsoft.storage/storageaccounts/accounttype":            "sku.name",
	"microsoft.storage/storageaccounts/enableblobencryption":   "properties.encryption.services.blob.enabled",
	"microsoft.storage/storageaccounts/enablefileencryption":   "properties.encryption.services.file.enabled",
	"microsoft.network/virtualnetworkgateways/gatewayname":     "name",
	"microsoft.authorization/roledefinitions/type":             "properties.type",
	"microsoft.resources/subscriptions/resourcegroups/managed": "managedBy",
}

// aliasOf takes an alias apart: the type ends at the last slash. Of vaults/sku.name, what is in the table is the first member.
func aliasOf(name string) (alias, bool) {
	if full, ok := legacyAliases[strings.ToLower(name)]; ok {
		name = full
	}
	end, _, _ := strings.Cut(name, "['")
	slash := strings.LastIndexByte(end, '/')
	namespace, rest, ok := strings.Cut(name, "/")
	if slash < 0 || !ok || !strings.Contains(namespace, ".") || strings.Contains(name, "//") {
		return alias{}, false
	}
	if slash == len(namespace) { // of a form that is none of ours, as Microsoft.Sql/auditingSettings.state
		return alias{typ: namespace, path: members("properties." + rest)}, rest != ""
	}
	a := alias{typ: name[:slash]}
	path := members(name[slash+1:])
	if len(path) == 0 {
		return alias{}, false
	}
	if listed, ok := listed(a.typ, name[slash+1:]); ok && listed != nil {
		a.path = listed
		return a, true
	}
	switch mapped, ok := aliasPaths[strings.ToLower(a.typ+"/"+path[0])]; {
	case ok && strings.EqualFold(path[0], "sku") && strings.HasSuffix(mapped, "vmSize"):
		a.path = members(mapped)
	case ok:
		a.path = append(members(mapped), path[1:]...)
	case slices.ContainsFunc(aliasRoots, func(root string) bool { return strings.EqualFold(root, path[0]) }):
		a.path = path
	default:
		a.path = append([]string{"properties"}, path...)
	}
	return a, true
}

// members takes a path apart: a.b[*].c['d.e'] has the members a, b, [*], c, d.e.
func members(path string) []string {
	var all []string
	for path != "" {
		switch {
		case strings.HasPrefix(path, "[*]"):
			all, path = append(all, "[*]"), path[3:]
		case strings.HasPrefix(path, "['"):
			name, rest, _ := strings.Cut(path[2:], "']")
			all, path = append(all, name), rest
		case path[0] == '.':
			path = path[1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end <= 0 {
				end = len(path)
			}
			all, path = append(all, path[:end]), path[end:]
		}
	}
	return all
}

// within is a member of an array that a count looks at: aliases through that array select it alone.
type within struct {
	prefix string // lower-cased: type, / and the path with its [*]
	index  int
}

// resolve gives what a field selects.
func (e *evaluation) resolve(name string) (selection, error) {
	doc, id := e.resource.Doc, e.resource.ID
	one := func(path string, v any) (selection, error) { return selection{values: []any{v}, path: path}, nil }
	switch key := strings.ToLower(name); {
	case key == "name":
		return one("name", id.Name())
	case key == "fullname":
		return one("fullName", fullName(id))
	case key == "type":
		return one("type", e.resource.Type())
	case key == "id":
		return one("id", id.String())
	case key == "kind" || key == "location" || key == "tags" || key == "identity":
		v, _ := get(doc, key)
		if v == nil {
			v = e.resource.unsaid(key)
		}
		return one(key, v)
	case strings.HasPrefix(key, "tags.") || strings.HasPrefix(key, "tags["):
		return e.tag(name)
	case strings.HasPrefix(key, "identity."):
		return e.walk(alias{path: members(name)}), nil
	}
	a, ok := aliasOf(name)
	if !ok {
		return selection{}, faultf("The field '%s' is not supported.", clip(name))
	}
	switch {
	case e.resource.isType(a.typ):
		return e.walk(a), nil
	case slices.Contains(a.path, "[*]"):
		return selection{collection: true, path: spellPath(a.path)}, nil
	}
	return one(spellPath(a.path), nil)
}

// fullName is a resource's name with those of its parents.
func fullName(id azure.ID) string {
	_, typ, names := id.Split()
	if typ == azure.TypeResourceGroup {
		return id.Name()
	}
	return strings.Join(names, "/")
}

func (e *evaluation) tag(field string) (selection, error) {
	name := tagName(field)
	tags, _ := get(e.resource.Doc, "tags")
	s := selection{path: "tags[" + name + "]"}
	if u, ok := tags.(*template.Unknown); ok {
		s.values = []any{u}
		return s, nil
	}
	v, _ := get(asObject(tags), name)
	if v == nil {
		v = e.resource.unsaid("tags." + name)
	}
	s.values = []any{v}
	return s, nil
}

func spellPath(path []string) string {
	return strings.ReplaceAll(strings.Join(path, "."), ".[*]", "[*]")
}

// walk selects what an alias names.
func (e *evaluation) walk(a alias) selection {
	w := &walker{e: e, typ: strings.ToLower(a.typ), selection: selection{collection: slices.Contains(a.path, "[*]"), path: spellPath(a.path)}}
	w.step(e.resource.Doc, a.path, nil, nil, "")
	return w.selection
}

type walker struct {
	selection
	e   *evaluation
	typ string // lower-cased
}

// step goes on from a value to the members of path. done are those behind, places the array members on the way, and shown
// is the path in the document.
func (w *walker) step(v any, path, done []string, places []within, shown string) {
	w.e.work++
	u, unknown := v.(*template.Unknown)
	switch {
	case len(path) == 0:
		w.add(v, places, shown)
	case unknown:
		w.add(&template.Unknown{Expr: strings.Join(append([]string{u.Expr}, path...), "."), Refs: u.Refs}, places, shown)
	case path[0] == "[*]":
		w.each(v, path, append(done, "[*]"), places, shown)
	default:
		x, name := member(v, path[0], len(done) > 0)
		shown = strings.TrimPrefix(shown+"."+name, ".")
		if x != nil {
			w.step(x, path[1:], append(done, path[0]), places, shown)
			return
		}
		missing := strings.ReplaceAll(strings.TrimSuffix(shown+"."+spellPath(path[1:]), "."), ".[*]", "[*]")
		if v := w.e.resource.unsaid(missing); v != nil || !slices.Contains(path, "[*]") {
			w.add(v, places, missing)
		}
	}
}

func (w *walker) add(v any, places []within, shown string) {
	w.values, w.places, w.path = append(w.values, v), append(w.places, places), shown
}

// member is a member of an object. Children that are printed inside of their parent have their properties one level deeper
// than aliases say.
func member(v any, name string, inside bool) (x any, shown string) {
	m, _ := v.(map[string]any)
	if x, ok := get(m, name); ok {
		return x, name
	}
	if below, _ := get(m, "properties"); inside && below != nil {
		if x, ok := get(asObject(below), name); ok {
			return x, "properties." + name
		}
	}
	return nil, name
}

// each goes on with the members of an array, or with the one that a count looks at.
func (w *walker) each(v any, path, done []string, places []within, shown string) {
	list, _ := v.([]any)
	prefix := w.typ + "/" + strings.ToLower(spellPath(done))
	bound := slices.IndexFunc(w.e.bound, func(x within) bool { return x.prefix == prefix })
	for i, x := range list {
		here := append(places[:len(places):len(places)], within{prefix, i})
		switch {
		case bound < 0:
			w.step(x, path[1:], done, here, shown+"[*]")
		case w.e.bound[bound].index == i:
			w.step(x, path[1:], done, here, shown+"["+strconv.Itoa(i)+"]")
		}
	}
	if more := w.e.resource.unsaid(shown + "[*]"); more != nil && bound < 0 {
		w.add(more, places, shown+"[*]")
	}
}

// counted are the places of the members that an array alias selects; known is false where an array is not known.
func (e *evaluation) counted(name string) (places [][]within, known bool, err error) {
	s, err := e.resolve(name)
	stars := strings.Count(name, "[*]")
	for _, p := range s.places {
		if len(p) < stars {
			return places, false, err
		}
		places = append(places, p)
	}
	return places, true, err
}

// Resource is what a policy looks at.
type Resource struct {
	ID  azure.ID
	Doc map[string]any // as Resource Manager has it; values that are not known are *template.Unknown

	// What functions tell; nil where that is not known.
	Group        map[string]any // the document of the resource group
	Subscription map[string]any
	APIVersion   string         // of the request; of an evaluation the newest
	Caller       map[string]any // claims of who asks: idtyp, appid, acrs
	Nearby       Nearby
	// Unsaid tells why a value that the document lacks is not known to be missing, by its path; "" where it is missing. Of an
	// array's path with [*] it is why the array may have more members. nil: the document says all.
	Unsaid func(path string) string
}

// unsaid is what stands for a value that the document lacks.
func (r *Resource) unsaid(path string) any {
	if r.Unsaid == nil {
		return nil
	}
	if why := r.Unsaid(path); why != "" {
		return &template.Unknown{Expr: why}
	}
	return nil
}

// Nearby finds the resources that policies of the kind "if not exists" ask for.
type Nearby interface {
	// Related are the resources of a type in a scope, or below a resource; known is false where that was not read.
	Related(scope azure.ID, typ string) (documents []map[string]any, known bool)
}

// Type is the resource's type as policies spell it.
func (r *Resource) Type() string { return r.ID.Type() }

func (r *Resource) isType(typ string) bool { return typ == "" || strings.EqualFold(r.Type(), typ) }
