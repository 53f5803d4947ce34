package estate

import (
	"encoding/json"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// A plan tells of an expression only what it refers to. That is enough to foresee most values: a value that is not known
// before the plan is applied is an attribute of some resource, passed on unchanged.

// found is what a value will be, as far as the plan tells: all of the values of a list, or what a single one can be.
type found struct {
	values []string
	unsure bool // only some of the values, or one that is not among them
}

// one is the value, if there is no doubt about it.
func (f found) one() string {
	if f.unsure || len(f.values) != 1 {
		return ""
	}
	return f.values[0]
}

func (f *found) add(o found) {
	for _, v := range o.values {
		if !slices.Contains(f.values, v) {
			f.values = append(f.values, v)
		}
	}
	f.unsure = f.unsure || o.unsure
}

// want is the kind of value that is looked for. Where a reference has lost its last part, as in x[*].id, names say which
// attributes of x can be meant.
type want struct {
	names []string
	fits  func(string) bool
}

var (
	wantText      = want{[]string{"name"}, func(s string) bool { return s != "" }}
	wantPrincipal = want{[]string{"principal_id", "object_id", "principalId"}, isGUID}
	wantGUID      = want{[]string{"client_id", "subscription_id", "application_id"}, isGUID}
)

func isGUID(s string) bool { _, err := azure.ParseGUID(s); return err == nil }

// wantID is an id of a type; "any" is any id.
func wantID(typ string) want {
	return want{[]string{"id", "user_assigned_identity_id", "role_definition_resource_id"}, func(s string) bool {
		id, err := azure.ParseID(s)
		return err == nil && (typ == anyType || strings.EqualFold(id.Type(), typ))
	}}
}

const anyType = "any"

// step is a part of a reference: a name, or what stands in brackets.
type step struct {
	text  string
	index bool
}

// stepsOf takes a reference apart: module.m["a"].out[0] is module, m, "a", out, 0.
func stepsOf(ref string) []step {
	var out []step
	for ref != "" {
		if ref[0] == '.' {
			ref = ref[1:]
			continue
		}
		if ref[0] == '[' {
			end := bracketEnd(ref)
			text := strings.TrimSpace(ref[1:end])
			var s string
			if json.Unmarshal([]byte(text), &s) == nil {
				text = s
			}
			out, ref = append(out, step{text, true}), ref[min(end+1, len(ref)):]
			continue
		}
		end := strings.IndexAny(ref, ".[")
		if end < 0 {
			end = len(ref)
		}
		out, ref = append(out, step{ref[:end], false}), ref[end:]
	}
	return out
}

// bracketEnd is where the bracket at the beginning closes, outside of quotes.
func bracketEnd(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return len(s)
}

// withoutKeys is an address without instance keys.
func withoutKeys(address string) string {
	var names []string
	for _, s := range stepsOf(address) {
		if !s.index {
			names = append(names, s.text)
		}
	}
	return strings.Join(names, ".")
}

// longest are references without those that are only the beginnings of the one before, which a plan lists as well.
func longest(refs []string) []string {
	var out []string
	for _, r := range refs {
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], r) && (len(out[n-1]) == len(r) || strings.ContainsRune(".[", rune(out[n-1][len(r)]))) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// known is the value of an attribute, if the plan knows it. Of blocks the first counts.
func (r *planned) known(path string) (any, bool) {
	var v any = r.values
	for key := range strings.SplitSeq(path, ".") {
		m, ok := first(v).(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// first is a value, or the first of a list of them.
func first(v any) any {
	if l, ok := v.([]any); ok && len(l) > 0 {
		return l[0]
	}
	return v
}

// expression is how the configuration gives an attribute; nil where it does not.
// inBlock reports whether the attribute stands in a block that the configuration makes dynamically, of which plans say nothing.
func (r *planned) expression(path string) (expr map[string]any, inBlock bool) {
	v := r.config["expressions"]
	parts := strings.Split(path, ".")
	for i, key := range parts {
		m, _ := first(v).(map[string]any)
		next, ok := m[key]
		if !ok {
			_, there := r.known(strings.Join(parts[:i+1], "."))
			return nil, i < len(parts)-1 && there
		}
		v = next
	}
	expr, _ = first(v).(map[string]any)
	return expr, false
}

// attribute is what an attribute of a resource will be. A list has all its values, anything else must have one.
func (p *plan) attribute(r *planned, path string, w want) found {
	if v, ok := r.known(path); ok {
		return found{values: textsOf(v, w)}
	}
	key := r.address + " " + path
	if p.looking[key] {
		return found{}
	}
	p.looking[key] = true
	defer delete(p.looking, key)
	expr, inBlock := r.expression(path)
	if expr == nil && inBlock {
		return p.guess(w)
	}
	return p.evaluate(p.siteOf(r), expr, w)
}

// single is an attribute that is no list: of several values it is not known which.
func (p *plan) single(r *planned, path string, w want) found {
	f := p.attribute(r, path, w)
	f.unsure = f.unsure || len(f.values) > 1
	return f
}

// text is an attribute as a text; "" where there is none, or it is not known.
func (p *plan) text(r *planned, path string) string { return p.single(r, path, wantText).one() }

// textsOf are the texts that a known value has and that are wanted.
func textsOf(v any, w want) []string {
	var out []string
	switch v := v.(type) {
	case string:
		if w.fits(v) {
			out = append(out, v)
		}
	case []any:
		for _, x := range v {
			out = append(out, textsOf(x, w)...)
		}
	case map[string]any:
		for _, k := range sortedNames(v) {
			out = append(out, textsOf(v[k], w)...)
		}
	}
	return out
}

// site is where an expression stands: a module's instance, and the instance of the block in it.
type site struct {
	module string
	config map[string]any // of the module
	key    any            // each.key or count.index
	each   map[string]any // the expression of for_each
}

func (p *plan) siteOf(r *planned) site {
	return site{r.module, p.moduleConfig(r.module), r.key, mapAt(r.config, "for_each_expression")}
}

// Bounds of the way from an expression to what it comes from, through modules and locals.
const (
	maxDetours = 64     // expressions inside of each other
	maxDetour  = 20_000 // expressions in all
)

// evaluate is what an expression gives.
func (p *plan) evaluate(at site, expr map[string]any, w want) found {
	if p.depth == 0 {
		p.spent = 0
	}
	if p.spent++; p.depth >= maxDetours || p.spent > maxDetour {
		return found{unsure: true}
	}
	p.depth++
	defer func() { p.depth-- }()
	if source, ok := expr[sourceKey].(written); ok {
		if f := p.read(at, source, nil, w, 0); !f.unsure {
			return f
		}
	}
	if v, ok := expr["constant_value"]; ok {
		return found{values: textsOf(v, w)}
	}
	var out found
	refs := textsAt(expr, "references")
	for _, ref := range longest(refs) {
		if steps := stepsOf(ref); len(steps) > 1 {
			out.add(p.reference(at, steps, refs, w))
		}
	}
	return out
}

func (p *plan) reference(at site, steps []step, refs []string, w want) found {
	switch head := steps[0].text; head {
	case "var":
		return p.variable(at, steps[1].text, steps[2:], w)
	case "local":
		return p.guess(w)
	case "each":
		return p.each(at, steps[1:], w)
	case "count":
		return found{values: textsOf(keyText(at.key), w)}
	case "module":
		return p.output(at, steps[1].text, steps[2:], refs, w)
	case "data":
		if len(steps) < 3 {
			return found{}
		}
		return p.resource(at, "data."+steps[1].text+"."+steps[2].text, steps[3:], refs, w)
	case "path", "terraform", "self":
		return found{}
	default:
		return p.resource(at, head+"."+steps[1].text, steps[2:], refs, w)
	}
}

// variable is an input of a module: what its caller gives, or its default.
func (p *plan) variable(at site, name string, rest []step, w want) found {
	if at.module == "" {
		if v, ok := p.variables[name]; ok {
			return found{values: textsOf(descend(member(v, "value"), rest), w)}
		}
	} else if parent, call := p.caller(at.module); call != nil {
		if expr := mapAt(call, "expressions."+name); expr != nil {
			if v, ok := expr["constant_value"]; ok {
				return found{values: textsOf(descend(v, rest), w)}
			}
			if source, ok := expr[sourceKey].(written); ok && len(rest) > 0 {
				if f := p.read(parent, source, rest, w, 0); !f.unsure {
					return f
				}
			}
			return p.evaluate(parent, expr, w)
		}
	}
	return found{values: textsOf(descend(memberAt(at.config, "variables", name, "default"), rest), w)}
}

// member is a member of an object, without case folding.
func member(v any, name string) any { m, _ := v.(map[string]any); return m[name] }

// memberAt is a member further inside.
func memberAt(v any, names ...string) any {
	for _, n := range names {
		v = member(v, n)
	}
	return v
}

// descend follows steps into a known value.
func descend(v any, rest []step) any {
	for _, s := range rest {
		switch x := v.(type) {
		case map[string]any:
			v = x[s.text]
		case []any:
			i, err := json.Number(s.text).Int64()
			if err != nil || i < 0 || int(i) >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// caller is where a module's instance is called from, and the call.
func (p *plan) caller(module string) (site, map[string]any) {
	steps := stepsOf(module)
	var key any
	if n := len(steps); n > 0 && steps[n-1].index {
		key, steps = steps[n-1].text, steps[:n-1]
	}
	if len(steps) < 2 {
		return site{}, nil
	}
	name := steps[len(steps)-1].text
	parent := spell(steps[:len(steps)-2])
	config := p.moduleConfig(parent)
	call, _ := memberAt(config, "module_calls", name).(map[string]any)
	return site{parent, config, key, mapAt(call, "for_each_expression")}, call
}

// spell puts the steps of an address together.
func spell(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		switch {
		case s.index && isNumber(s.text):
			b.WriteString("[" + s.text + "]")
		case s.index:
			q, _ := json.Marshal(s.text)
			b.WriteString("[" + string(q) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.text)
		}
	}
	return b.String()
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// each is each.key or each.value of a block with for_each.
func (p *plan) each(at site, rest []step, w want) found {
	if len(rest) > 0 && rest[0].text == "key" {
		return found{values: textsOf(keyText(at.key), w)}
	}
	path := append([]step{{keyText(at.key), true}}, rest[min(1, len(rest)):]...)
	if source, ok := at.each[sourceKey].(written); ok {
		if f := p.read(at, source, path, w, 0); !f.unsure && len(f.values) > 0 {
			return f
		}
	}
	if v, ok := at.each["constant_value"]; ok {
		return found{values: textsOf(descend(v, path), w)}
	}
	var out found
	refs := longest(textsAt(at.each, "references"))
	for _, ref := range refs {
		steps := stepsOf(ref)
		if len(refs) == 1 { // for_each = x: each.value is x[each.key]
			steps = append(steps, path...)
		}
		out.add(p.reference(at, steps, nil, w))
	}
	if len(out.values) == 0 { // of a set the value is the key
		out.values = textsOf(keyText(at.key), w)
	}
	return out
}

// pick narrows instances to the one that a reference means: by its own key, or by the key of who refers.
func pick[T any](all []T, key func(T) any, rest []step, refs []string, at site) ([]T, []step) {
	wanted := ""
	switch {
	case len(rest) > 0 && rest[0].index:
		wanted, rest = rest[0].text, rest[1:]
	case slices.Contains(refs, "each.key"), slices.Contains(refs, "count.index"):
		wanted = keyText(at.key)
	default:
		return all, rest
	}
	var out []T
	for _, x := range all {
		if k := key(x); k == nil || keyText(k) == wanted {
			out = append(out, x)
		}
	}
	return out, rest
}

// resource is an attribute of a resource, or of any of its instances that can be meant.
func (p *plan) resource(at site, local string, rest []step, refs []string, w want) found {
	var out found
	all, rest := pick(p.instances[join(at.module, local)], func(r *planned) any { return r.key }, rest, refs, at)
	for _, r := range all {
		out.add(p.foresee(r, path(rest), w))
	}
	return out
}

// path are the names among steps.
func path(steps []step) string {
	var names []string
	for _, s := range steps {
		if !s.index {
			names = append(names, s.text)
		}
	}
	return strings.Join(names, ".")
}

// foresee is what an attribute of a resource will be. Without a path it is any attribute that is wanted.
func (p *plan) foresee(r *planned, path string, w want) found {
	foreseen := p.foreseen(r)
	if path == "" {
		var out found
		for _, name := range sortedNames(foreseen) {
			if last := name[strings.LastIndexByte(name, '.')+1:]; slices.Contains(w.names, last) {
				out.add(found{values: textsOf(foreseen[name], w)})
			}
		}
		return out
	}
	if v, ok := r.known(path); ok && v != nil {
		return found{values: textsOf(v, w)}
	}
	if v, ok := foreseen[path]; ok {
		return found{values: textsOf(v, w)}
	}
	return p.attribute(r, path, w)
}

// output is an output of a module, of each instance that can be meant.
func (p *plan) output(at site, name string, rest []step, refs []string, w want) found {
	call, _ := memberAt(at.config, "module_calls", name).(map[string]any)
	config := mapAt(call, "module")
	if config == nil {
		return found{}
	}
	all, rest := pick(p.modules(join(at.module, "module."+name)), moduleKey, rest, refs, at)
	var out found
	for _, module := range all {
		inside := site{module: module, config: config}
		for _, o := range sortedNames(mapAt(config, "outputs")) {
			if len(rest) == 0 || rest[0].text == o {
				expr, _ := memberAt(config, "outputs", o, "expression").(map[string]any)
				out.add(p.part(inside, expr, rest, w))
			}
		}
	}
	return out
}

// part is what an output gives, following the steps behind its name.
func (p *plan) part(at site, expr map[string]any, rest []step, w want) found {
	if source, ok := expr[sourceKey].(written); ok && len(rest) > 1 {
		if f := p.read(at, source, rest[1:], w, 0); !f.unsure {
			return f
		}
	}
	return p.evaluate(at, expr, w)
}

// modules are the instances of a module that have resources.
func (p *plan) modules(call string) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range p.sorted() {
		if m := r.module; !seen[m] && (m == call || strings.HasPrefix(m, call+"[") || strings.HasPrefix(m, call+".")) {
			seen[m] = true
			steps := stepsOf(m)
			n := len(stepsOf(call))
			if n < len(steps) && steps[n].index {
				n++
			}
			if m = spell(steps[:n]); !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

func moduleKey(module string) any {
	steps := stepsOf(module)
	if n := len(steps); n > 0 && steps[n-1].index {
		return steps[n-1].text
	}
	return nil
}

// guess is for values whose way the plan does not tell, as through locals: any attribute that expressions read and that
// is of the wanted kind. If there is but one, it is that.
func (p *plan) guess(w want) found {
	var out found
	for _, ref := range p.relevant {
		steps := stepsOf(ref)
		at := 0
		for i := range steps {
			if steps[i].text == "module" && !steps[i].index {
				at = i + 2
				if at < len(steps) && steps[at].index {
					at++
				}
			}
		}
		n := at + 2
		if at < len(steps) && steps[at].text == "data" {
			n++
		}
		if n > len(steps) {
			continue
		}
		rest := path(steps[n:])
		if last := rest[strings.LastIndexByte(rest, '.')+1:]; !slices.Contains(w.names, last) && rest != "" {
			continue
		}
		inside := site{module: spell(steps[:at])}
		out.add(p.resource(inside, path(steps[at:n]), steps[n:], nil, w))
	}
	out.unsure = len(out.values) != 1
	return out
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
