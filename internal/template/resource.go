package template

import (
	"strconv"
	"strings"

	"aksid/internal/azure"
)

const deploymentType = "microsoft.resources/deployments"

// maxResources bounds the resources of a deployment with all that it nests.
const maxResources = 20_000

// headers are the members of a declared resource that are not part of its document, by lower-cased name.
var headers = map[string]bool{"type": true, "apiversion": true, "name": true, "condition": true, "copy": true, "dependson": true, "scope": true,
	"comments": true, "existing": true, "resources": true, "import": true, "extension": true, "@options": true, "metadata": true, "asserts": true}

// declare makes the resources of the template, with all that must be known before any of them is deployed.
func (f *frame) declare() {
	e := f.env(inHeader)
	for _, d := range f.template.resources {
		f.expand(d, e, nil)
	}
	if n := len(f.resources); n > maxCopy {
		f.fail(tooMany(f.template.root.get("resources"), "resources", maxCopy, n).(*Error))
	}
}

// expand declares a resource, in each turn of its loop.
func (f *frame) expand(d declared, e *env, parent *Resource) {
	copied := d.node.get("copy")
	if !isObject(copied) {
		f.declareOne(d, d.symbol, e, parent)
		return
	}
	count, batch, err := e.turns(copied)
	if err != nil {
		f.broken = true
		f.fail(place(err, d.node, "The template resource '%s' at line '%d' and column '%d'", d.written(), d.node.line, d.node.col))
		return
	}
	name := copied.get("name").str()
	turns, ok := count.(int64)
	if !ok {
		f.expandUnknown(d, name, count, e, parent)
		return
	}
	var all []*Resource
	for i := range turns {
		if r := f.declareOne(d, indexed(d.symbol, i), e.turn(loop{name: name, index: i}), parent); r != nil {
			all = append(all, r)
		}
	}
	serialize(all, batch)
	f.bySymbol[lower(name)] = append(f.bySymbol[lower(name)], all...) // also if there are none
	if d.symbol != "" && lower(d.symbol) != lower(name) {
		f.bySymbol[lower(d.symbol)] = append(f.bySymbol[lower(d.symbol)], all...)
	}
}

// expandUnknown declares one resource for all turns of a loop whose number is unknown; there may be none.
func (f *frame) expandUnknown(d declared, name string, count any, e *env, parent *Resource) {
	r := f.declareOne(d, d.symbol, e.turn(loop{name: name, index: count}), parent)
	if r == nil {
		return
	}
	if r.Condition == true {
		r.Condition = count
	}
	f.open[lower(name)], f.open[lower(d.symbol)] = r, r
}

// known are the resources that a symbolic name or the name of a loop stands for; a loop without turns has none.
func (f *frame) known(name string) ([]*Resource, bool) {
	name = lower(name)
	if all, ok := f.bySymbol[name]; ok {
		return all, true
	}
	base, _, _ := strings.Cut(name, "[")
	if r := f.open[base]; r != nil && base != "" {
		return []*Resource{r}, true
	}
	return nil, false
}

func indexed(symbol string, i int64) string {
	if symbol == "" {
		return ""
	}
	return symbol + "[" + strconv.FormatInt(i, 10) + "]"
}

// written is how a resource's name is written.
func (d declared) written() string { return clip(d.node.get("name").str()) }

// turns are the number of a loop's turns, and how many of them may be deployed at once: 0 for all.
func (e *env) turns(loop *node) (count any, batch int64, err error) {
	if count, err = e.count(loop); err != nil || lower(loop.get("mode").str()) != "serial" {
		return count, 0, err
	}
	batch = 1
	if n := loop.get("batchSize"); n != nil {
		v, err := e.value(n)
		if err != nil {
			return nil, 0, err
		}
		size, ok := v.(int64)
		if !ok || size < 0 {
			return nil, 0, invalid(loop, "The template 'copy' definition at line '%d' and column '%d' has an invalid copy batch size. "+
				"The copy batch size must be a non-negative integer value and cannot exceed the copy count '%s'. "+seeCopy, loop.line, loop.col, e.run.text(count))
		}
		batch = max(size, 1)
	}
	return count, batch, nil
}

// serialize lets each batch wait for the one before.
func serialize(all []*Resource, batch int64) {
	if batch == 0 {
		return
	}
	for i, r := range all {
		first := int64(i)/batch*batch - batch
		if first >= 0 {
			r.DependsOn = append(r.DependsOn, all[first:first+batch]...)
		}
	}
}

// declareOne makes a resource and its children; nil if it is not valid.
func (f *frame) declareOne(d declared, symbol string, e *env, parent *Resource) *Resource {
	if f.run.resources++; f.run.resources > maxResources {
		panic(exhausted{})
	}
	r := &Resource{Symbol: symbol, Deployment: f.owner, Line: int(d.node.line), Column: int(d.node.col), declaration: d.node, Condition: true,
		Written: d.node.get("name").str()}
	inner := *e
	r.env, inner.owner = &inner, r
	err := f.head(r, parent)
	if err != nil && r.Condition != true { // perhaps nobody asks: ARM does not evaluate what is not deployed
		err, r.ID, r.Partial = nil, azure.ID{}, true
	}
	if err != nil {
		f.broken = true
		f.fail(place(err, d.node, "The template resource '%s' at line '%d' and column '%d'", d.written(), d.node.line, d.node.col))
		return nil
	}
	f.add(r)
	if f.owner != nil && r.Condition == true {
		r.Condition = f.owner.Condition
	}
	for _, child := range resourcesOf(d.node.get("resources")) {
		f.expand(child, e, r)
	}
	return r
}

// add notes a resource under the names that others know it by.
func (f *frame) add(r *Resource) {
	f.resources = append(f.resources, r)
	if r.Symbol != "" {
		f.bySymbol[lower(r.Symbol)] = append(f.bySymbol[lower(r.Symbol)], r)
	}
	key := r.ID.Key()
	if key == "" {
		return
	}
	old := f.byID[key]
	if old != nil && !old.Existing && !r.Existing && !r.Partial && old.Condition != false && r.Condition != false {
		_, typ, _ := r.ID.Split()
		f.fail(invalid(r.declaration, "The resource '%s/%s' at line '%d' and column '%d' is defined multiple times in a template. "+seeResources, typ, r.Name, r.Line, r.Column))
		return
	}
	if old == nil || old.Existing || old.Condition == false {
		f.byID[key] = r
	}
	if f.run.byID[key] == nil || f.run.byID[key].Existing {
		f.run.byID[key] = r
	}
}

// head evaluates what must be known of a resource beforehand.
func (f *frame) head(r, parent *Resource) (err error) {
	n := r.declaration
	if !isObject(n) {
		return fault("it is no JSON object")
	}
	if n := n.get("condition"); n != nil {
		condition, err := r.env.condition(n)
		if err != nil {
			return err
		}
		r.Condition = condition
	}
	r.Existing = n.get("existing") != nil && n.get("existing").text == "true"
	r.OnlyNew = n.get("@options").get("onlyIfNotExists") != nil && n.get("@options").get("onlyIfNotExists").text == "true"
	r.Extension = n.get("extension").str() + n.get("import").str()
	if r.Type, err = r.env.header("type"); err != nil {
		return err
	}
	if r.Version, err = r.env.header("apiVersion"); err != nil {
		return err
	}
	if r.Extension != "" {
		typ, version, _ := strings.Cut(r.Type, "@")
		r.Type, r.Version = typ, r.Version+version
		return nil
	}
	return f.identify(r, parent)
}

func (e *env) condition(n *node) (any, error) {
	v, err := e.value(n)
	if s, ok := v.(string); ok {
		v, err = toBool(e, []any{s})
	}
	switch v.(type) {
	case bool, *Unknown:
		return v, err
	}
	if err == nil {
		err = faultf("The condition is of type '%s' and must be a boolean", typeName(v))
	}
	return nil, err
}

// header is a text that must be known.
func (e *env) header(name string) (string, error) {
	n := e.owner.declaration.get(name)
	if n == nil {
		if name == "apiVersion" { // a template with an API profile has none
			return "", nil
		}
		return "", e.missing(name)
	}
	v, err := e.value(n)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		if v != "" {
			return v, nil
		}
	case *Unknown:
		return "", faultf("The %s must be known before the deployment", name)
	}
	return "", e.missing(name)
}

func (e *env) missing(name string) error {
	n := e.owner.declaration
	return invalid(n, "The template resource '%s' at line '%d' and column '%d' is not valid. The %s property cannot be null or empty. "+seeResources,
		declared{node: n}.written(), n.line, n.col, name)
}

// identify finds a resource's name, type and id.
func (f *frame) identify(r, parent *Resource) error {
	name, known, err := r.env.resourceName()
	if err != nil {
		return err
	}
	r.Name, r.Partial = name, !known
	if parent != nil {
		r.Name, r.Type = parent.Name+"/"+r.Name, parent.Type+"/"+r.Type
		r.Partial = r.Partial || parent.Partial
	}
	types, names := strings.Count(r.Type, "/"), strings.Count(r.Name, "/")+1
	if names > types || names < types && !r.Partial || types == 0 {
		return invalid(r.declaration, "The template resource '%s' for type '%s' at line '%d' and column '%d' has incorrect segment lengths. "+
			"A nested resource type must have identical number of segments as its resource name. "+
			"A root resource type must have segment length one greater than its resource name. "+seeResources, r.Name, r.Type, r.declaration.line, r.declaration.col)
	}
	scope, err := f.scopeOf(r, parent)
	if err != nil {
		return err
	}
	if isUnknownText(scope) {
		r.Partial = true
	}
	id, err := parseID(strings.TrimSuffix(scope, "/") + "/providers/" + weave(r.Type, r.Name))
	if err != nil {
		return faultf("The resource id is not valid: %s", err)
	}
	r.ID = canonical(id)
	if typ := r.ID.Type(); typ != "" && strings.Contains(lower(r.Type), "/providers/") {
		_, r.Type, _ = r.ID.Split() // an extension that is written as a child
	}
	return nil
}

// isUnknownText reports whether an id has {expression} in it.
func isUnknownText(s string) bool { return strings.Contains(s, "{") }

func (e *env) resourceName() (name string, known bool, err error) {
	n := e.owner.declaration.get("name")
	if n == nil {
		return "", false, e.missing("name")
	}
	v, err := e.value(n)
	if err != nil {
		return "", false, err
	}
	switch v := v.(type) {
	case *Unknown:
		return v.hole(), false, nil
	case nil, []any, *object:
		return "", false, e.missing("name")
	default:
		if name = e.run.text(v); name == "" {
			return "", false, e.missing("name")
		}
		return name, true, nil
	}
}

// scopeOf is the id that a resource's own is below: its scope property, its parent's scope, or the deployment's scope.
func (f *frame) scopeOf(r, parent *Resource) (string, error) {
	if strings.EqualFold(r.Type, deploymentType) {
		t, err := f.targetOf(r)
		return t.spell(), err
	}
	if n := r.declaration.get("scope"); n != nil {
		v, err := r.env.value(n)
		if err != nil {
			return "", err
		}
		return f.absolute(fillText(v)), nil
	}
	if parent != nil {
		scope := parent.ID
		for range strings.Count(parent.Type, "/") {
			scope = scope.Parent()
		}
		return scope.String(), nil
	}
	return f.at.spell(), nil
}

func fillText(v any) string { s, _ := fill(v).(string); return s }

// absolute completes an id that begins with a provider: it lies in the deployment's scope.
func (f *frame) absolute(s string) string {
	if strings.HasPrefix(s, "/") || s == "" || strings.HasPrefix(s, "{") {
		return "/" + strings.TrimPrefix(s, "/")
	}
	if strings.HasPrefix(lower(s), "microsoft.management/managementgroups/") {
		return "/providers/" + s
	}
	return f.at.spell() + "/providers/" + s
}

// resolve evaluates a resource's document, and what it nests.
func (f *frame) resolve(r *Resource) {
	if r.state != pending {
		return
	}
	r.state = busy
	defer func() { r.state = done }()
	if r.Existing || r.Condition == false {
		return
	}
	r.Document = map[string]any{}
	nests := strings.EqualFold(r.Type, deploymentType) && r.Extension == ""
	for _, m := range r.declaration.fields {
		name := m.name.text
		switch key := lower(name); {
		case headers[key] || nests && (key == "subscriptionid" || key == "resourcegroup"):
		case key == "properties" && nests:
			f.nest(r, m.value)
		default:
			if v, ok := f.part(r, m); ok {
				r.Document[name] = f.run.plain(v)
			}
		}
	}
}

// part evaluates a member of a resource's document; what is wrong with it is noted.
func (f *frame) part(r *Resource, m field) (any, bool) {
	e := *r.env
	if lower(m.name.text) == "properties" {
		e.spot = inBody
	}
	v, err := e.value(m.value)
	if err == nil {
		return v, true
	}
	if r.Condition == true { // otherwise perhaps nobody asks
		f.fail(place(err, r.declaration, "The template resource '%s' at line '%d' and column '%d'", r.Name, r.Line, r.Column))
	}
	return nil, false
}

// existing asks for a resource that is there.
func (r *run) existing(id azure.ID, version string) (map[string]any, bool) {
	if r.Existing == nil || id.IsZero() {
		return nil, false
	}
	return r.Existing.Resource(id, version)
}
