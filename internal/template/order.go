package template

import (
	"strings"
)

// order puts each resource after those that it depends on, otherwise in the order of the text.
func (f *frame) order() []*Resource {
	for _, r := range f.resources {
		f.dependencies(r)
	}
	o := &ordering{frame: f, state: map[*Resource]state{}}
	for _, r := range f.resources {
		o.visit(r)
	}
	return o.sorted
}

type ordering struct {
	frame  *frame
	state  map[*Resource]state
	sorted []*Resource
	told   bool // that there is a circle
}

func (o *ordering) visit(r *Resource) {
	switch o.state[r] {
	case done:
		return
	case busy:
		if !o.told {
			o.frame.fail(circular(r).(*Error).at(r.declaration))
		}
		o.told = true
		return
	}
	o.state[r] = busy
	for _, d := range r.DependsOn {
		o.visit(d)
	}
	o.state[r] = done
	o.sorted = append(o.sorted, r)
}

// dependencies adds what a resource's dependsOn names.
func (f *frame) dependencies(r *Resource) {
	n := r.declaration.get("dependsOn")
	if n == nil {
		return
	}
	v, err := r.env.value(n)
	if err != nil {
		if r.Condition != false {
			f.fail(place(err, r.declaration, "The template resource '%s' at line '%d' and column '%d'", r.Name, r.Line, r.Column))
		}
		return
	}
	f.dependOn(r, v)
}

func (f *frame) dependOn(r *Resource, v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			f.dependOn(r, x)
		}
	case string, *Unknown:
		all, ok := f.matching(fillText(v))
		if !ok && !f.broken && !isUnknown(v) && !isUnknownText(fillText(v)) && r.Condition != false {
			f.fail(undefined(short(fillText(v))).(*Error).at(r.declaration))
		}
		for _, d := range all {
			if d != r {
				r.depend(d)
			} else {
				f.fail(circular(r).(*Error).at(r.declaration))
			}
		}
	}
}

// short is an id as messages about dependencies have it: type and name.
func short(s string) string {
	if at := strings.LastIndex(lower(s), "/providers/"); at >= 0 {
		return s[at+len("/providers/"):]
	}
	return s
}

// matching are the resources that an entry of dependsOn names: by symbolic name or loop, by id, by id without its scope,
// or by name.
func (f *frame) matching(name string) ([]*Resource, bool) {
	if all, ok := f.known(name); ok {
		return all, true
	}
	id := name
	if strings.Contains(name, "/") {
		id = f.absolute(name)
	}
	if parsed, err := parseID(id); err == nil {
		if r := f.byID[canonical(parsed).Key()]; r != nil {
			return []*Resource{r}, true
		}
	}
	var all []*Resource
	for _, r := range f.resources {
		if strings.EqualFold(r.Name, name) || strings.EqualFold(r.Type+"/"+r.Name, name) {
			all = append(all, r)
		}
	}
	return all, len(all) > 0
}
