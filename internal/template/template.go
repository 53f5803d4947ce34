// Package template is the language of ARM templates: it reads a template and evaluates it to the resources that a
// deployment of it would write. What only the deployment can know stays in the result as Unknown, with what it refers to.
package template

import (
	"strings"
)

// Template is a template that has been read. It can be evaluated many times, also concurrently.
type Template struct {
	root       *node
	level      level // of the scope that it deploys to
	symbolic   bool  // resources have symbolic names (languageVersion 2.0)
	parameters []*declaration
	variables  *node
	functions  map[string]*userFunction
	resources  []declared
	outputs    []*declaration
}

// declaration is a parameter, an output, or a user-defined function's parameter.
type declaration struct {
	name string
	node *node
}

// declared is a resource as it is written; its symbolic name is "" in templates without.
type declared struct {
	symbol string
	node   *node
}

type userFunction struct {
	parameters []*declaration
	output     *node
	value      *node
}

// level is the kind of scope that a deployment has.
type level uint8

const (
	groupLevel level = iota
	subscriptionLevel
	managementGroupLevel
	tenantLevel
)

// schemas tell the level by the last part of $schema. The order matters: the first name is part of others.
var schemas = []struct {
	part  string
	level level
}{
	{"subscriptiondeploymenttemplate.json", subscriptionLevel},
	{"managementgroupdeploymenttemplate.json", managementGroupLevel},
	{"tenantdeploymenttemplate.json", tenantLevel},
	{"deploymenttemplate.json", groupLevel},
}

// Parse reads a template: JSON with comments and line breaks in strings, as ARM takes it, of at most 4 MiB.
// The error is an *Error.
func Parse(b []byte) (*Template, error) {
	n, err := parse(b, false)
	if err != nil {
		return nil, badText(err)
	}
	t, err := newTemplate(n, false)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func badText(err error) *Error {
	return &Error{Code: codeTemplate, Message: "Deployment template parse failed: '" + err.Error() + "'."}
}

// newTemplate reads the sections of a template. Of a nested one ARM takes any schema: its level is its deployment's.
func newTemplate(root *node, nested bool) (*Template, error) {
	t := &Template{root: root, variables: root.get("variables")}
	if root.kind != objectNode {
		return nil, badText(faultf("Error reading template: it is no JSON object. Path '', line %d, position %d.", root.line, root.col)).at(root)
	}
	if err := t.readSchema(); err != nil && !nested {
		return nil, err
	}
	t.symbolic = strings.HasPrefix(root.get("languageVersion").str(), "2.") || isObject(root.get("resources"))
	t.parameters = declarations(root.get("parameters"))
	t.outputs = declarations(root.get("outputs"))
	if err := t.readFunctions(); err != nil {
		return nil, err
	}
	resources := root.get("resources")
	if resources == nil {
		return nil, badText(faultf("Required property 'resources' not found in JSON. Path '', line %d, position %d.", root.line, root.col)).at(root)
	}
	t.resources = resourcesOf(resources)
	return t, t.limits()
}

func isObject(n *node) bool { return n != nil && n.kind == objectNode }

func (t *Template) readSchema() error {
	schema := t.root.get("$schema")
	if schema == nil {
		return badText(faultf("Required property '$schema' not found in JSON. Path '', line %d, position %d.", t.root.line, t.root.col)).at(t.root)
	}
	for _, s := range schemas {
		if strings.HasSuffix(strings.TrimSuffix(lower(schema.str()), "#"), s.part) {
			t.level = s.level
			return nil
		}
	}
	return invalid(schema, "Template schema '%s' is not supported. "+seeTemplate, clip(schema.str()))
}

func declarations(n *node) (all []*declaration) {
	if n != nil {
		for _, f := range n.fields {
			all = append(all, &declaration{f.name.text, f.value})
		}
	}
	return all
}

func resourcesOf(n *node) (all []declared) {
	if n == nil {
		return nil
	}
	for _, item := range n.items {
		all = append(all, declared{"", item})
	}
	for _, f := range n.fields {
		all = append(all, declared{f.name.text, f.value})
	}
	return all
}

func (t *Template) readFunctions() error {
	t.functions = map[string]*userFunction{}
	spaces := t.root.get("functions")
	if spaces == nil {
		return nil
	}
	for _, space := range spaces.items {
		for _, m := range declarations(space.get("members")) {
			value := m.node.get("output").get("value")
			if value == nil {
				return invalid(m.node, "The template function '%s' at line '%d' and column '%d' is not valid. The output of the function has no value. "+seeFunctions,
					m.name, m.node.line, m.node.col)
			}
			f := &userFunction{output: m.node.get("output"), value: value}
			if list := m.node.get("parameters"); list != nil {
				for _, p := range list.items {
					f.parameters = append(f.parameters, &declaration{p.get("name").str(), p})
				}
			}
			t.functions[lower(space.get("namespace").str()+"."+m.name)] = f
		}
	}
	return nil
}

// limits are ARM's own (Microsoft Learn: template limits).
func (t *Template) limits() error {
	for _, l := range []struct {
		what        string
		count, most int
		at          *node
	}{
		{"parameters", len(t.parameters), 256, t.root.get("parameters")},
		{"variables", len(declarations(t.variables)), 512, t.variables},
		{"outputs", len(t.outputs), 64, t.root.get("outputs")},
		{"resources", len(t.resources), maxCopy, t.root.get("resources")},
	} {
		if l.count > l.most {
			return tooMany(l.at, l.what, l.most, l.count)
		}
	}
	return nil
}

func tooMany(at *node, what string, limit, actual int) error {
	return invalid(at, "The number of template %s limit exceeded. Limit: '%d' and actual: '%d'. "+seeTemplate, what, limit, actual)
}

// Parameters are the values given to a template's parameters, by name: nil, bool, string, numbers, []any, map[string]any,
// or *Unknown for a value that is not known yet. An object that ParseParameters reads is of a type of its own, which
// keeps the order of its members.
type Parameters map[string]any

// ParseParameters reads a parameter file, or the object of values that is its heart. A reference to a Key Vault secret
// is *Unknown. The error is an *Error.
func ParseParameters(b []byte) (Parameters, error) {
	n, err := parse(b, true)
	if err != nil {
		return nil, &Error{Code: codeRequest, Message: err.Error()}
	}
	if inner := n.get("parameters"); isObject(inner) && n.get("parameters").get("value") == nil {
		n = inner
	}
	return readParameters(n)
}

func readParameters(n *node) (Parameters, error) {
	p := Parameters{}
	if n == nil || n.kind == nullNode {
		return p, nil
	}
	if n.kind != objectNode {
		return nil, badRequest(n, "the parameters are no JSON object")
	}
	for _, f := range n.fields {
		value, secret := f.value.get("value"), f.value.get("reference")
		switch {
		case value != nil:
			p[f.name.text] = value.data()
		case isObject(secret):
			p[f.name.text] = secretOf(secret)
		default:
			return nil, badRequest(f.value, "the parameter '"+f.name.text+"' has neither a value nor a reference")
		}
	}
	return p, nil
}

func badRequest(n *node, why string) error {
	e := &Error{Code: codeRequest, Message: "The request content was invalid and could not be deserialized: '" + why + "'."}
	return e.at(n)
}

// Request is the body of a call that makes, validates or previews a deployment.
type Request struct {
	Location   string
	Mode       string            // Incremental or Complete
	Tags       map[string]string // of the deployment
	Template   *Template         // nil if there is only a link
	Link       string            // properties.templateLink.uri
	Parameters Parameters
}

// ParseRequest reads a deployment's body. az's is no JSON: the name template has no quotes, and the template is the file
// as it is, with its comments and line breaks. The error is an *Error.
func ParseRequest(b []byte) (*Request, error) {
	n, err := parse(b, false)
	if err != nil {
		return nil, &Error{Code: codeRequest, Message: "The request content was invalid and could not be deserialized: '" + err.Error() + "'."}
	}
	properties := n.get("properties")
	if !isObject(properties) {
		return nil, badRequest(n, "The deployment must have Properties property set. Please see https://aka.ms/arm-deploy for usage details.")
	}
	r := &Request{Location: n.get("location").str(), Mode: properties.get("mode").str(), Link: properties.get("templateLink").get("uri").str()}
	if tags := n.get("tags"); isObject(tags) {
		r.Tags = map[string]string{}
		for _, f := range tags.fields {
			r.Tags[f.name.text] = f.value.str()
		}
	}
	if r.Parameters, err = readParameters(properties.get("parameters")); err != nil {
		return nil, err
	}
	return r, r.readTemplate(properties.get("template"))
}

func (r *Request) readTemplate(n *node) (err error) {
	if n != nil && n.kind != nullNode {
		r.Template, err = newTemplate(n, false)
	}
	return err
}

// secretOf is a parameter's value that a deployment takes from a Key Vault.
func secretOf(n *node) *Unknown {
	vault, name := n.get("keyVault").get("id").str(), n.get("secretName").str()
	u := &Unknown{Expr: "secret(" + quoteText(vault) + ", " + quoteText(name) + ")"}
	if id, err := parseID(vault); err == nil {
		u = reading(u.Expr, Ref{ID: id, Path: "secrets." + name})
	}
	return u
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
