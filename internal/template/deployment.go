package template

import (
	"iter"
	"slices"
	"time"

	"aksid/internal/azure"
)

// Deployment is a template with what it is deployed with and where. What is left out is unknown, not wrong; the template
// alone is needed.
type Deployment struct {
	Template   *Template
	Parameters Parameters
	Partial    bool // a parameter that has no value is unknown; otherwise that is an error, as it is for ARM

	Name            string // of the deployment
	Tenant          azure.GUID
	Subscription    azure.GUID
	ManagementGroup string
	Group           string // of resources
	Location        string // of the resource group, or of a deployment that is not in one
	Deployer        azure.PrincipalID
	Cloud           azure.Cloud                         // zero: Azure's public cloud
	Now             time.Time                           // for utcNow()
	NewGUID         func() azure.GUID                   // for newGuid()
	Existing        Existing                            // may be nil
	Linked          func(uri string) (*Template, error) // for nested deployments with a link; may be nil
}

// Existing answers for what is there: resources that are read and not written, and those that a deployment in progress
// has written already. Evaluating again with what exists by then is how a deployment goes on.
type Existing interface {
	// Resource is a resource's document; false if it is not there, or not yet.
	Resource(id azure.ID, version string) (map[string]any, bool)
	// List is what a list function answers, as listKeys; false if it cannot be called, or not yet.
	List(id azure.ID, function, version string, input any) (any, bool)
}

// Result is what a template says, evaluated.
type Result struct {
	Scope      azure.ID    // that the template deploys to; unknown parts stand as {expression}
	Resources  []*Resource // each one after those that it depends on
	Outputs    []Value
	Parameters []Value  // with the values that counted; secure ones have none
	Errors     []*Error // in the order of the text; those of nested deployments are with the outermost. What is wrong is left out of the rest
}

// Value is a parameter or an output. That of a secure output is there for the deployment, and not to be shown.
type Value struct {
	Name, Type string // the type as ARM writes it: String, SecureString, Int, Bool, Array, Object, SecureObject
	Value      any    // as in a Document
}

// Resource is a resource that a template writes, or one that it only reads.
type Resource struct {
	ID           azure.ID       // unknown parts stand as {expression}; zero for another provider's, and if it is not deployed and its name cannot be told
	Partial      bool           // ID has unknown parts
	Type         string         // full, as in Microsoft.Network/virtualNetworks/subnets
	Name         string         // with its parents': vnet/subnet
	Written      string         // the name as it is written, as in [guid(resourceGroup().id)]
	Version      string         // api-version
	Symbol       string         // symbolic name, in a loop with its turn: clusters[2]; "" in templates without
	Extension    string         // provider other than ARM, as in microsoftGraph; "" for ARM
	Condition    any            // true, false, or *Unknown; of a nested resource with its deployment's
	Existing     bool           // only read
	OnlyNew      bool           // not to be written if it is there (@options.onlyIfNotExists)
	DependsOn    []*Resource    // explicitly or by reading, in the same deployment
	Document     map[string]any // what is written beside name, type and apiVersion; nil if nothing is. Numbers are json.Number, unknown names of members {expression}
	Nested       *Result        // of a deployment whose template is known
	Deployment   *Resource      // that it is nested in; nil at the top
	Line, Column int            // where it is written

	declaration *node
	state       state
	env         *env
	frame       *frame // of a nested deployment
}

// All yields the resources of a deployment and, after each nested deployment, what it holds.
func (r *Result) All() iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) { r.each(yield) }
}

func (r *Result) each(yield func(*Resource) bool) bool {
	for _, x := range r.Resources {
		if !yield(x) || x.Nested != nil && !x.Nested.each(yield) {
			return false
		}
	}
	return true
}

// Find is a resource by its id, in a deployment or in those nested in it; nil if there is none.
func (r *Result) Find(id azure.ID) *Resource {
	key := canonical(id).Key()
	for x := range r.All() {
		if x.ID.Key() == key {
			return x
		}
	}
	return nil
}

// After reports whether r comes after other: by its own dependencies, by theirs, or by those of the deployments around it.
func (r *Resource) After(other *Resource) bool {
	seen := map[*Resource]bool{}
	var after func(x *Resource) bool
	after = func(x *Resource) bool {
		if x == nil || seen[x] {
			return false
		}
		seen[x] = true
		return slices.ContainsFunc(x.DependsOn, func(d *Resource) bool { return d == other || d.holds(other) || after(d) }) || after(x.Deployment)
	}
	return r != other && after(r)
}

// holds reports whether other is nested in r, at any depth.
func (r *Resource) holds(other *Resource) bool {
	for x := other.Deployment; x != nil; x = x.Deployment {
		if x == r {
			return true
		}
	}
	return false
}

// Evaluate gives the resources of a template and its nested ones. It does not fail: what is wrong is in Result.Errors.
func (d *Deployment) Evaluate() *Result {
	r := &run{Deployment: d, budget: maxWork, byID: map[string]*Resource{}, templates: map[*node]*Template{}}
	f := r.outermost()
	r.guard(f)
	r.locate()
	f.result.Errors = r.errors
	return f.result
}

// guard evaluates a deployment, and ends when the work is too much.
func (r *run) guard(f *frame) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exhausted:
			r.errors = append(r.errors, invalid(f.template.root, "The evaluation of the template takes more work than is allowed. "+seeTemplate))
		default:
			panic(p)
		}
	}()
	f.evaluate(r.Parameters.values())
}

// locate finds the errors' paths and puts them in the order of the text.
func (r *run) locate() {
	for _, e := range r.errors {
		if e.node != nil {
			e.Path = r.Template.root.pathTo(e.node)
		}
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	r.errors = slices.CompactFunc(r.errors, func(a, b *Error) bool { return a.Message == b.Message && a.Line == b.Line && a.Column == b.Column })
}

func (p Parameters) values() values {
	m := values{}
	for name, v := range p {
		m[name] = fromPlain(v)
	}
	return m
}
