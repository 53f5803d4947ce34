package template

import (
	"strings"

	"aksid/internal/azure"
)

// maxNesting is the number of deployments inside each other.
const maxNesting = 32

// targetOf is the scope that a nested deployment writes to.
func (f *frame) targetOf(r *Resource) (target, error) {
	t := f.at
	for _, part := range []struct {
		name  string
		level level
		set   *any
	}{{"subscriptionId", subscriptionLevel, &t.subscription}, {"resourceGroup", groupLevel, &t.group}} {
		n := r.declaration.get(part.name)
		if n == nil {
			continue
		}
		v, err := r.env.value(n)
		if err != nil {
			return t, err
		}
		*part.set, t.level = v, part.level
	}
	n := r.declaration.get("scope")
	if n == nil {
		return t, nil
	}
	v, err := r.env.value(n)
	if err != nil {
		return t, err
	}
	return t.moved(v), nil
}

// moved is the target at a scope, as an id or as one without the part before the provider.
func (t target) moved(scope any) target {
	text := fillText(scope)
	id, err := azure.ParseID(text)
	switch {
	case text == "/":
		t.level = tenantLevel
	case strings.Contains(lower(text), "microsoft.management/managementgroups/"):
		t.level, t.managementGroup = managementGroupLevel, text[strings.LastIndexByte(text, '/')+1:]
	case err == nil && id.ResourceGroup() != "":
		t.level, t.subscription, t.group = groupLevel, id.Subscription(), id.ResourceGroup()
	case err == nil && id.Subscription() != "":
		t.level, t.subscription = subscriptionLevel, id.Subscription()
	}
	return t
}

// nest evaluates a nested deployment: its properties, and the template in them.
func (f *frame) nest(r *Resource, properties *node) {
	document := map[string]any{}
	r.Document["properties"] = document
	var given *object
	for _, m := range properties.fields {
		key := lower(m.name.text)
		if key == "template" {
			continue
		}
		v, ok := f.part(r, field{&node{text: "properties"}, m.value})
		if !ok {
			continue
		}
		if key == "parameters" {
			given, _ = v.(*object)
		}
		document[m.name.text] = f.run.plain(v)
	}
	t, err := f.nestedTemplate(properties)
	if err != nil || t == nil {
		if err != nil {
			f.fail(place(err, r.declaration, "The template resource '%s' at line '%d' and column '%d'", r.Name, r.Line, r.Column))
		}
		return
	}
	f.evaluateNested(r, t, given, lower(properties.get("expressionEvaluationOptions").get("scope").str()) == "inner")
}

// nestedTemplate is the template of a nested deployment; nil if it has only a link that nobody follows.
func (f *frame) nestedTemplate(properties *node) (*Template, error) {
	n := properties.get("template")
	if !isObject(n) {
		link := properties.get("templateLink")
		uri := link.get("uri").str() + link.get("relativePath").str()
		if uri == "" || f.run.Linked == nil {
			return nil, nil
		}
		return f.run.Linked(uri)
	}
	if t := f.run.templates[n]; t != nil {
		return t, nil
	}
	t, err := newTemplate(n, true)
	if err == nil {
		f.run.templates[n] = t
	}
	return t, err
}

func (f *frame) evaluateNested(r *Resource, t *Template, given *object, inner bool) {
	at, err := f.targetOf(r)
	if err != nil {
		return // told with the resource's id
	}
	depth := 0
	for x := r; x != nil; x = x.Deployment {
		depth++
	}
	if depth > maxNesting {
		f.fail(invalid(r.declaration, "The deployment '%s' is nested deeper than '%d' levels. "+seeTemplate, r.Name, maxNesting))
		return
	}
	nested := f.run.newFrame(t, textOrHole(r), at)
	nested.owner = r
	if !inner {
		nested.outer = r.env
	}
	r.frame, r.Nested = nested, nested.result
	nested.evaluate(f.nestedValues(r, given))
}

func textOrHole(r *Resource) any {
	if isUnknownText(r.Name) {
		return &Unknown{Expr: "deployment().name", Text: r.Name}
	}
	return r.Name
}

// nestedValues are the values given to a nested deployment's parameters.
func (f *frame) nestedValues(r *Resource, given *object) values {
	v := values{}
	if given == nil {
		return v
	}
	given.each(func(name string, p any) {
		switch p := p.(type) {
		case *Unknown: // which of two objects it is depends on a condition
			v[name], _ = r.env.property(p, "value")
		case *object:
			if value, ok := p.get("value"); ok {
				v[name] = value
			} else if secret, ok := p.get("reference"); ok {
				v[name] = f.run.secret(secret)
			}
		default:
			f.fail(invalid(r.declaration, "The parameter '%s' of the nested deployment '%s' has no value. "+seeFile, name, r.Name))
		}
	})
	return v
}

// secret is a value that the deployment takes from a Key Vault.
func (r *run) secret(reference any) any {
	o, _ := reference.(*object)
	if o == nil {
		return r.newUnknown("secret", []any{reference})
	}
	name, _ := o.get("secretName")
	vault, _ := o.get("keyVault")
	var id any
	if v, ok := vault.(*object); ok {
		id, _ = v.get("id")
	}
	u := r.newUnknown("secret", []any{id, name})
	if vaultID, err := azure.ParseID(fillText(id)); err == nil {
		return reading(u.Expr, Ref{ID: vaultID, Path: "secrets." + fillText(name)})
	}
	return u
}
