package estate

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A plan says of x[*].id or local.y only that they refer to x, or to y. Where the configuration lies beside the plan, its
// expressions are read as they are written, and what they give is known exactly. So is the line that they stand in.

// Bounds of a configuration.
const (
	maxSource  = 4 << 20 // bytes of a file
	maxSources = 500     // files of a module
	maxNesting = 64      // expressions through locals, inputs and outputs
)

// sourceKey is the member of a plan's expression under which it is kept as it is written.
const sourceKey = "written"

// written is an expression as it is written in a module.
type written struct {
	expr   hclsyntax.Expression
	locals map[string]hclsyntax.Expression // of the module
	loops  map[string]hclsyntax.Expression // what the iterators of for expressions and dynamic blocks run over
}

// declaration is where a block is written.
type declaration struct {
	file string
	line int
}

// readSources reads the configuration in the folder of the plan, and its local modules. None is no error.
func (p *plan) readSources() error {
	p.sources = map[string]declaration{}
	return p.readModule(filepath.Dir(p.file), "", p.config, 0)
}

func (p *plan) readModule(dir, module string, config map[string]any, depth int) error {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tf"))
	if len(paths) > maxSources || depth > maxNesting {
		return fmt.Errorf("%s holds more than %d .tf files, or its modules nest deeper than %d", dir, maxSources, maxNesting)
	}
	locals := map[string]hclsyntax.Expression{}
	var bodies []*hclsyntax.Body
	for _, path := range paths {
		body, err := readHCL(path)
		if err != nil {
			return err
		}
		if body != nil {
			bodies = append(bodies, body)
		}
	}
	for _, body := range bodies {
		for _, b := range body.Blocks {
			if b.Type == "locals" {
				for name, a := range b.Body.Attributes {
					locals[name] = a.Expr
				}
			}
		}
	}
	for _, body := range bodies {
		for _, b := range body.Blocks {
			p.readBlock(b, module, config, locals)
		}
	}
	for name, v := range mapAt(config, "module_calls") {
		source := textAt(v, "source")
		if inner := mapAt(v, "module"); inner != nil && (strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")) {
			if err := p.readModule(filepath.Join(dir, source), join(module, "module."+name), inner, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// readHCL reads one file; one that is no configuration is left out, as it was not what made the plan.
func readHCL(path string) (*hclsyntax.Body, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil || len(text) > maxSource {
		return nil, err
	}
	file, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, nil
	}
	body, _ := file.Body.(*hclsyntax.Body)
	return body, nil
}

// readBlock keeps the expressions of a block beside those that the plan has of it.
func (p *plan) readBlock(b *hclsyntax.Block, module string, config map[string]any, locals map[string]hclsyntax.Expression) {
	w := written{locals: locals}
	switch {
	case (b.Type == "resource" || b.Type == "data") && len(b.Labels) == 2:
		local := b.Labels[0] + "." + b.Labels[1]
		if b.Type == "data" {
			local = "data." + local
		}
		p.sources[join(module, local)] = declaration{b.TypeRange.Filename, b.TypeRange.Start.Line}
		for _, v := range listAt(config, "resources") {
			if r, ok := v.(map[string]any); ok && textAt(r, "address") == local {
				w.block(b.Body, objectIn(r, "expressions"), r)
			}
		}
	case b.Type == "module" && len(b.Labels) == 1:
		if call, ok := memberAt(config, "module_calls", b.Labels[0]).(map[string]any); ok {
			w.block(b.Body, objectIn(call, "expressions"), call)
		}
	case b.Type == "output" && len(b.Labels) == 1:
		if o, ok := memberAt(config, "outputs", b.Labels[0]).(map[string]any); ok && b.Body.Attributes["value"] != nil {
			w.keep(objectIn(o, "expression"), b.Body.Attributes["value"].Expr)
		}
	}
}

func objectIn(m map[string]any, name string) map[string]any {
	o, ok := m[name].(map[string]any)
	if !ok {
		o = map[string]any{}
		m[name] = o
	}
	return o
}

// block keeps the expressions of a body in those of the plan; owner has for_each.
func (w written) block(body *hclsyntax.Body, into, owner map[string]any) {
	for name, a := range body.Attributes {
		switch {
		case name == "for_each" && owner != nil:
			w.keep(objectIn(owner, "for_each_expression"), a.Expr)
		default:
			w.keep(objectIn(into, name), a.Expr)
		}
	}
	for _, b := range body.Blocks {
		inner, name := b.Body, b.Type
		deeper := w
		if b.Type == "dynamic" && len(b.Labels) == 1 { // of which plans say nothing
			name = b.Labels[0]
			deeper, inner = w.dynamic(b)
		}
		if inner == nil || isOneOf(name, "lifecycle", "provisioner", "timeouts") {
			continue
		}
		list, _ := into[name].([]any)
		if len(list) == 0 {
			list = []any{map[string]any{}}
			into[name] = list
		}
		if m, ok := list[0].(map[string]any); ok {
			deeper.block(inner, m, nil)
		}
	}
}

func isOneOf(s string, all ...string) bool { return slices.Contains(all, s) }

// dynamic is the content of a dynamic block, with what its iterator runs over.
func (w written) dynamic(b *hclsyntax.Block) (written, *hclsyntax.Body) {
	over := b.Body.Attributes["for_each"]
	for _, c := range b.Body.Blocks {
		if c.Type == "content" && over != nil {
			return w.loop(b.Labels[0], over.Expr), c.Body
		}
	}
	return w, nil
}

// loop is w with one more iterator.
func (w written) loop(name string, over hclsyntax.Expression) written {
	loops := map[string]hclsyntax.Expression{name: over}
	for k, v := range w.loops {
		if k != name {
			loops[k] = v
		}
	}
	w.loops = loops
	return w
}

func (w written) keep(into map[string]any, expr hclsyntax.Expression) {
	w.expr = expr
	into[sourceKey] = w
}

// read is what a written expression gives at a place, following further steps into it.
func (p *plan) read(at site, w written, tail []step, kind want, depth int) found {
	if p.spent++; depth > maxNesting || p.spent > maxDetour {
		return found{unsure: true}
	}
	all := func(exprs ...hclsyntax.Expression) found {
		var out found
		for _, e := range exprs {
			w.expr = e
			out.add(p.read(at, w, tail, kind, depth+1))
		}
		return out
	}
	into := func(e hclsyntax.Expression, steps ...step) found {
		w.expr = e
		return p.read(at, w, append(slices.Clone(steps), tail...), kind, depth+1)
	}
	switch e := w.expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return found{values: textsOf(inGo(e.Val), kind)}
	case *hclsyntax.ParenthesesExpr:
		return all(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return all(e.Wrapped)
	case *hclsyntax.TemplateExpr:
		return p.readTemplate(at, w, e, kind, depth)
	case *hclsyntax.ConditionalExpr:
		return all(e.TrueResult, e.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		return p.readCall(e, all)
	case *hclsyntax.ScopeTraversalExpr:
		return p.readTraversal(at, w, append(traversed(e.Traversal), tail...), kind, depth)
	case *hclsyntax.RelativeTraversalExpr:
		return into(e.Source, traversed(e.Traversal)...)
	case *hclsyntax.IndexExpr:
		return into(e.Collection, indexed(e.Key)...)
	case *hclsyntax.SplatExpr:
		if each, ok := e.Each.(*hclsyntax.RelativeTraversalExpr); ok {
			steps := traversed(each.Traversal)
			for len(tail) > 0 && tail[0].index { // x[*].id[0] is x[0].id
				steps, tail = append([]step{tail[0]}, steps...), tail[1:]
			}
			return into(e.Source, steps...)
		}
		return into(e.Source)
	case *hclsyntax.TupleConsExpr:
		return p.readTuple(e, tail, all, func(x hclsyntax.Expression, rest []step) found {
			w.expr = x
			return p.read(at, w, rest, kind, depth+1)
		})
	case *hclsyntax.ObjectConsExpr:
		return p.readObject(at, w, e, tail, kind, depth)
	case *hclsyntax.ForExpr:
		inner := w.loop(e.ValVar, e.CollExpr)
		inner.expr = e.ValExpr
		if len(tail) > 0 && tail[0].index { // the element of a key comes from the element of that key
			inner.loops[e.ValVar] = &hclsyntax.IndexExpr{Collection: e.CollExpr, Key: &hclsyntax.LiteralValueExpr{Val: cty.StringVal(tail[0].text)}}
			tail = tail[1:]
		}
		return p.read(at, inner, tail, kind, depth+1)
	}
	return found{unsure: true}
}

// passing are functions that give one of their arguments, or the elements of them.
var passing = []string{"try", "coalesce", "one", "element", "lookup", "merge", "concat", "flatten", "values", "toset", "tolist", "tomap", "tostring",
	"compact", "distinct", "coalescelist", "nonsensitive", "sensitive", "jsonencode", "sort", "reverse"}

// readCall is what a function passes on. Of any other nothing is known.
func (p *plan) readCall(e *hclsyntax.FunctionCallExpr, all func(...hclsyntax.Expression) found) found {
	if !slices.Contains(passing, e.Name) {
		return found{unsure: true}
	}
	args := e.Args
	if isOneOf(e.Name, "element", "lookup") {
		args = args[:min(1, len(args))]
	}
	return all(args...)
}

// readTemplate puts a text together, if each of its parts is known.
func (p *plan) readTemplate(at site, w written, e *hclsyntax.TemplateExpr, kind want, depth int) found {
	text := ""
	for _, part := range e.Parts {
		w.expr = part
		f := p.read(at, w, nil, want{[]string{"id", "name", "principal_id", "object_id", "subscription_id"}, func(s string) bool { return s != "" }}, depth+1)
		if f.one() == "" {
			return found{unsure: true}
		}
		text += f.one()
	}
	return found{values: textsOf(text, kind)}
}

func (p *plan) readTuple(e *hclsyntax.TupleConsExpr, tail []step, all func(...hclsyntax.Expression) found, one func(hclsyntax.Expression, []step) found) found {
	if len(tail) > 0 && tail[0].index {
		for i, x := range e.Exprs {
			if tail[0].text == fmt.Sprint(i) {
				return one(x, tail[1:])
			}
		}
		var out found
		for _, x := range e.Exprs {
			out.add(one(x, tail[1:]))
		}
		return out
	}
	return all(e.Exprs...)
}

func (p *plan) readObject(at site, w written, e *hclsyntax.ObjectConsExpr, tail []step, kind want, depth int) found {
	var out found
	for _, item := range e.Items {
		rest := tail
		if len(tail) > 0 {
			if key := hcl.ExprAsKeyword(item.KeyExpr); key != tail[0].text && literal(item.KeyExpr) != tail[0].text {
				continue
			}
			rest = tail[1:]
		}
		w.expr = item.ValueExpr
		out.add(p.read(at, w, rest, kind, depth+1))
	}
	return out
}

// literal is a text that an expression is; "" where it is none.
func literal(e hcl.Expression) string {
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// readTraversal follows a reference: through locals and iterators here, through everything else as those of the plan.
func (p *plan) readTraversal(at site, w written, steps []step, kind want, depth int) found {
	if over, ok := w.loops[steps[0].text]; ok {
		rest := steps[1:]
		if len(rest) > 0 && rest[0].text == "value" { // of a dynamic block
			rest = rest[1:]
		}
		w.expr = over
		return p.read(at, w, rest, kind, depth+1)
	}
	if steps[0].text == "local" && len(steps) > 1 {
		expr, ok := w.locals[steps[1].text]
		if !ok {
			return found{unsure: true}
		}
		w.expr = expr
		return p.read(at, w, steps[2:], kind, depth+1)
	}
	if len(steps) < 2 {
		return found{}
	}
	for i, s := range steps {
		if s.index && isOneOf(s.text, "each.key", "count.index", "each.value") {
			steps[i].text = keyText(at.key)
		}
	}
	return p.reference(at, steps, nil, kind)
}

// traversed are the steps of a traversal.
func traversed(t hcl.Traversal) []step {
	var out []step
	for _, x := range t {
		switch x := x.(type) {
		case hcl.TraverseRoot:
			out = append(out, step{x.Name, false})
		case hcl.TraverseAttr:
			out = append(out, step{x.Name, false})
		case hcl.TraverseIndex:
			out = append(out, step{keyOf(x.Key), true})
		}
	}
	return out
}

// indexed is the step of an index: its value, each.key or count.index; none where it is anything else.
func indexed(key hclsyntax.Expression) []step {
	if v, diags := key.Value(nil); !diags.HasErrors() && v.IsKnown() && !v.IsNull() {
		return []step{{keyOf(v), true}}
	}
	if t, ok := key.(*hclsyntax.ScopeTraversalExpr); ok {
		return []step{{path(traversed(t.Traversal)), true}}
	}
	return nil
}

func keyOf(v cty.Value) string {
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Number:
		return v.AsBigFloat().Text('f', -1)
	}
	return ""
}

// inGo is a literal as JSON has it; only texts matter.
func inGo(v cty.Value) any {
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return nil
	}
	return v.AsString()
}
