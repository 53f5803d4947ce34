package finding

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/plain"
	"aksid/internal/policy"
	"aksid/internal/template"
)

var deniedByPolicy = Rule{
	ID:    "denied-by-policy",
	Title: "A policy of Azure denies what an identity of the cluster may do",
	Why: "Azure Policy refuses a write that its rule forbids, whatever roles allow and whoever asks, AKS included: " +
		"RequestDisallowedByPolicy. What is there already stays until somebody changes it, so a policy that is new stops the next upgrade.",
	Source:   "governance/policy: deny effect, RequestDisallowedByPolicy",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		found := map[string]*refusal{}
		var order []string
		for _, w := range p.writesOf() {
			if p.Before.Occasion != "" && !slices.Contains(w.on, p.Before.Occasion) {
				continue
			}
			if w.certain = w.certain || p.Before.Occasion != ""; !w.certain {
				w.breaks = unsure + w.breaks
			}
			for _, o := range p.denials(w) {
				key := o.Assignment.ID.Key()
				if found[key] == nil {
					found[key], order = &refusal{by: o, severity: Note}, append(order, key)
				}
				found[key].add(o, w)
			}
		}
		for _, key := range order {
			p.Report(found[key].finding(p))
		}
	},
}

// refusal is what an assignment refuses, by which of its definitions.
type refusal struct {
	by           policy.Outcome
	severity     Severity
	breaks       []string
	labels, what []string // of the definitions; types of what is not written
}

func (r *refusal) add(o policy.Outcome, w write) {
	note := func(list []string, s string) []string {
		if slices.Contains(list, s) {
			return list
		}
		return append(list, s)
	}
	r.breaks = note(r.breaks, w.breaks)
	r.labels = note(r.labels, fmt.Sprintf("%q", plain.Short(o.Definition.Label())))
	r.what = note(r.what, estate.TypeWord(w.id.Type()))
	if w.certain {
		r.severity = Error
	}
}

// perhaps puts what is certain before what is not.
func perhaps(breaks string) int {
	if strings.HasPrefix(breaks, unsure) {
		return 1
	}
	return 0
}

// unsure begins what is not known to be done.
const unsure = "perhaps: "

func (r *refusal) finding(p *Pass) Finding {
	a := r.by.Assignment
	slices.SortStableFunc(r.breaks, func(x, y string) int { return perhaps(x) - perhaps(y) })
	what, denies := "policy "+list(r.labels), "denies"
	if len(r.labels) > 1 {
		what, denies = "policies "+list(r.labels), "deny"
	}
	in := ""
	if r.by.Set != nil {
		in = fmt.Sprintf(" of the initiative %q,", plain.Short(r.by.Set.Label()))
	}
	return Finding{
		Title: r.breaks[0], Consequences: r.breaks[1:], Scope: a.ID, Severity: r.severity,
		Detail: fmt.Sprintf("%s%s assigned as %q at %s, %s writing %s; meet %s, leave the scope out, or exempt it: az policy exemption create",
			what, cmp.Or(in, ","), plain.Short(a.Label()), p.Place(a.Scope), denies, list(r.what), map[bool]string{true: "it", false: "them"}[len(r.labels) == 1]),
	}
}

// write is a resource that is written for a cluster, and what is refused when it is.
type write struct {
	id      azure.ID
	doc     map[string]any
	on      []catalogue.Occasion
	certain bool // the cluster as it is makes or changes it
	breaks  string
}

// later is a value that only the write will know.
func later(what string) *template.Unknown { return &template.Unknown{Expr: what} }

// writesOf are what AKS and the cluster's controllers write: the cluster itself and its scale sets as they are, and what
// services and volumes bring, of which type, place and tags are known (AKS puts the cluster's tags on all of it).
func (p *Pass) writesOf() []write {
	var out []write
	nodes := p.Cluster.NodeGroup()
	if p.Cluster.ID.IsZero() || nodes.IsZero() {
		return nil
	}
	every := []catalogue.Occasion{catalogue.Upgrade, catalogue.Scale, catalogue.Rebuilding, catalogue.UserAssigning}
	out = append(out, write{id: p.Cluster.ID, doc: p.typed(p.Cluster.Doc, p.Cluster.ID), on: every, certain: true, breaks: "the cluster cannot be changed: updates and upgrades are refused"})
	for _, s := range p.Estate.ScaleSets(p.Cluster) {
		out = append(out, write{id: s.ID, doc: p.typed(s.Doc, s.ID), on: every, certain: true, breaks: "nodes cannot be added, renewed or upgraded"})
	}
	public, internal := p.balanced()
	for _, w := range []struct {
		typ, name string
		on        catalogue.Occasion
		certain   bool
		breaks    string
	}{
		{"Microsoft.Network/publicIPAddresses", "kubernetes-service", catalogue.Ingress, public, "LoadBalancer services get no public address and stay pending"},
		{"Microsoft.Network/loadBalancers", "kubernetes", catalogue.Ingress, public, "LoadBalancer services stay pending"},
		{"Microsoft.Network/loadBalancers", "kubernetes-internal", catalogue.Ingress, internal, "internal LoadBalancer services stay pending"},
		{"Microsoft.Compute/disks", "pvc", catalogue.Storage, false, "volumes on disks are not made"},
	} {
		id := nodes.Resource(w.typ, w.name)
		doc := map[string]any{
			"id": id.String(), "type": w.typ, "name": later("name"), "location": p.Cluster.Text("location"), "tags": tagsOf(p.Cluster.Doc),
			"properties": later("properties"), "sku": later("sku"), "zones": later("zones"),
		}
		out = append(out, write{id: id, doc: doc, on: []catalogue.Occasion{w.on}, certain: w.certain, breaks: w.breaks})
	}
	return out
}

// balanced reports which kinds of LoadBalancer services the cluster is known to have.
func (p *Pass) balanced() (public, internal bool) {
	for _, o := range p.Estate.Kube(p.Cluster).Of("Service") {
		if o.Text("spec.type") == "LoadBalancer" {
			inside := strings.EqualFold(o.Annotation("service.beta.kubernetes.io/azure-load-balancer-internal"), "true")
			public, internal = public || !inside, internal || inside
		}
	}
	return public, internal
}

func tagsOf(doc map[string]any) any {
	if tags, ok := doc["tags"].(map[string]any); ok {
		return tags
	}
	return map[string]any{}
}

// typed is a document with its type, which az leaves out of some.
func (p *Pass) typed(doc map[string]any, id azure.ID) map[string]any {
	out := maps.Clone(doc)
	out["type"], out["name"] = id.Type(), id.Name()
	if out["tags"] == nil {
		out["tags"] = map[string]any{}
	}
	return out
}

// denials are the policies that certainly refuse a write. Policies that amend it come before: what they may change is not known.
func (p *Pass) denials(w write) []policy.Outcome {
	book := p.Estate.Policies()
	if len(book.Assignments) == 0 {
		return nil
	}
	r := &policy.Resource{ID: w.id, Doc: w.doc, Unsaid: p.Estate.Unsaid(w.id)} // a plan leaves things open
	all := book.Evaluate(r, p.Now)
	if slices.ContainsFunc(all, amends) {
		r.Doc = maps.Clone(w.doc)
		r.Doc["tags"], r.Doc["properties"] = later("tags"), later("properties")
		all = book.Evaluate(r, p.Now)
	}
	return slices.DeleteFunc(all, func(o policy.Outcome) bool {
		return o.Definition == nil || o.Effect != policy.Deny || o.State != policy.NonCompliant || !o.Assignment.Enforced
	})
}

func amends(o policy.Outcome) bool {
	return (o.Effect == policy.Modify || o.Effect == policy.Append) && (o.State == policy.NonCompliant || o.State == policy.Undecided) && o.Assignment.Enforced
}
