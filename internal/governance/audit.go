package governance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/policy"
	"aksid/internal/template"
)

// State is how a cluster stands with a definition.
type State string

// The states. What cannot be told is unknown, and never a violation.
const (
	Compliant    State = "compliant"
	NonCompliant State = "non-compliant"
	Unknown      State = "unknown"
	Exempt       State = "exempt"
)

// Row is what one definition says of one cluster.
type Row struct {
	Cluster    azure.ID `json:"cluster"`
	Definition string   `json:"definition"`            // name
	ID         azure.ID `json:"definitionId,omitzero"` // of one that is in Azure
	Title      string   `json:"title"`
	Reference  string   `json:"reference,omitempty"` // of the definition in the initiative that is assigned
	Assignment azure.ID `json:"assignment,omitzero"` // of an assigned definition
	Effect     string   `json:"effect,omitempty"`    // as it is written
	Denies     bool     `json:"denies,omitempty"`    // the next write of the cluster is refused
	State      State    `json:"state"`
	Reasons    []Reason `json:"reasons"`
	Why        string   `json:"why,omitempty"` // of an unknown or exempt one
}

// Reason is a value that decided.
type Reason struct {
	Field    string `json:"field"`             // its path in the cluster's document, or an expression of the rule
	Missing  bool   `json:"missing,omitempty"` // the document has none
	Value    string `json:"value,omitempty"`   // as text; of an object the names of its members
	Expected string `json:"expected"`          // what the policy wants in its place
}

func (r Reason) String() string {
	is := "is " + r.Value
	if r.Missing {
		is = "is missing"
	}
	return r.Field + " " + is + ", expected: " + r.Expected
}

// Definition is a definition with the values of its parameters.
type Definition struct {
	*policy.Definition
	Given policy.Values
}

// Audit says of each cluster how it stands with each definition that is about clusters.
func Audit(e *estate.Estate, definitions []Definition, now time.Time) []Row {
	var rows []Row
	for _, c := range e.Clusters {
		r := resourceOf(e, c)
		for _, d := range definitions {
			if row, ok := audit(e, r, d, now); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// Assigned says of each cluster how it stands with what is assigned to it, as far as that was read. What an initiative only audits
// is not read, and left out; a definition that could not be read is unknown.
func Assigned(e *estate.Estate, now time.Time) []Row {
	var rows []Row
	for _, c := range e.Clusters {
		for _, o := range e.Policies().Evaluate(resourceOf(e, c), now) {
			if o.Definition == nil && !refusedPolicies(e) {
				continue
			}
			if row, ok := assignedRow(c.ID, o); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// refusedPolicies reports whether a definition or an initiative could not be read.
func refusedPolicies(e *estate.Estate) bool {
	return slices.ContainsFunc(e.Incomplete, func(i estate.Incomplete) bool {
		typ := i.Scope.Type()
		return strings.EqualFold(typ, policy.TypeDefinition) || strings.EqualFold(typ, policy.TypeSet)
	})
}

func assignedRow(cluster azure.ID, o policy.Outcome) (Row, bool) {
	row := Row{Cluster: cluster, Assignment: o.Assignment.ID, Reference: o.Reference, Effect: o.Written, Denies: o.Denies(), Title: o.Assignment.Label()}
	if o.Definition != nil {
		row.Definition, row.ID, row.Title = o.Definition.Name, o.Definition.ID, o.Definition.Label()
	} else {
		row.Definition = o.Assignment.Assigned.Name()
	}
	if o.Exemption != nil {
		row.Why = exemptBy(o.Exemption)
	}
	return row, row.fill(o.Result)
}

func exemptBy(x *policy.Exemption) string {
	why := "exempt (" + strings.ToLower(x.Category) + ") by " + x.ID.Name()
	if !x.Expires.IsZero() {
		why += ", until " + x.Expires.Format(time.DateOnly)
	}
	return why
}

func audit(e *estate.Estate, r *policy.Resource, d Definition, now time.Time) (Row, bool) {
	row := Row{Cluster: r.ID, Definition: d.Name, ID: d.ID, Title: d.Label()}
	values, bad := d.Bind(d.Given)
	if bad != nil {
		return row, row.fill(policy.Result{State: policy.Failed, Reason: bad.Message})
	}
	result := d.Evaluate(r, values, policy.About{Now: now})
	row.Effect = result.Written
	if x := exemption(e, r, d, now); x != nil && result.State == policy.NonCompliant {
		result.State, row.Why = policy.Exempt, exemptBy(x)
	}
	return row, row.fill(result)
}

// exemption is one that takes the cluster out of an assignment of the same definition.
func exemption(e *estate.Estate, r *policy.Resource, d Definition, now time.Time) *policy.Exemption {
	if len(e.Policies().Exemptions) == 0 {
		return nil
	}
	for _, o := range e.Policies().Evaluate(r, now) {
		if o.Exemption != nil && o.Definition != nil && (o.Definition.ID.Equal(d.ID) && !d.ID.IsZero() || d.ID.IsZero() && o.Definition.Name == d.Name) {
			return o.Exemption
		}
	}
	return nil
}

// fill takes a result over; false where the definition is not about clusters.
func (row *Row) fill(result policy.Result) bool {
	row.Reasons = []Reason{}
	switch result.State {
	case policy.NotApplicable:
		return false
	case policy.Compliant:
		row.State = Compliant
	case policy.NonCompliant:
		row.State, row.Reasons, row.Why = NonCompliant, reasons(result.Why), result.Reason
	case policy.Exempt:
		row.State, row.Reasons = Exempt, reasons(result.Why)
	default:
		row.State, row.Why = Unknown, cmp.Or(result.Reason, "it cannot be told")
	}
	return true
}

// resourceOf is a cluster as policies look at it, with what the estate knows of it and around it.
func resourceOf(e *estate.Estate, c *estate.Cluster) *policy.Resource {
	doc := maps.Clone(c.Doc)
	doc["id"], doc["name"], doc["type"] = c.ID.String(), c.ID.Name(), clusterType
	r := &policy.Resource{ID: c.ID, Doc: doc, APIVersion: c.Version, Unsaid: e.Unsaid(c.ID)}
	if group, known := e.Resource(c.ID.GroupID()); known == estate.Known {
		r.Group = group.Doc
	}
	if sub, known := e.Resource(azure.SubscriptionID(c.ID.Subscription())); known == estate.Known {
		r.Subscription = sub.Doc
	}
	return r
}

// reasons are the conditions that a violation rests on, without those that say what the policy is about.
func reasons(why []policy.Evaluated) []Reason {
	all := []Reason{}
	for _, w := range why {
		if w.Kind == "Field" && slices.Contains([]string{"type", "kind", "name"}, w.Path) {
			continue
		}
		if len(w.Inner) > 0 {
			all = append(all, reasons(w.Inner)...)
			continue
		}
		expected, tells := wanted(w)
		if !tells && len(why) > 1 {
			continue
		}
		all = append(all, reason(w, expected))
	}
	if len(all) == 0 && len(why) > 0 {
		w := why[len(why)-1]
		expected, _ := wanted(w)
		all = append(all, reason(w, expected))
	}
	return all
}

func reason(w policy.Evaluated, expected string) Reason {
	field := cmp.Or(w.Path, w.Expression)
	if w.Kind == "Count" {
		field = "the number of " + field + " that fit"
	}
	return Reason{Field: field, Missing: w.Missing, Value: shown(w), Expected: expected}
}

// wanted says what would not be a violation, the opposite of the condition; tells is false for a condition that only says when
// the others matter, as that something is there.
func wanted(w policy.Evaluated) (expected string, tells bool) {
	holds := w.Result == policy.True
	not := func(positive, negative string) string {
		if holds {
			return negative
		}
		return positive
	}
	target := spell(w.Target)
	switch strings.TrimPrefix(strings.ToLower(w.Operator), "not") {
	case "exists":
		wantsIt := (target == "True") != holds
		if wantsIt {
			return "a value", true
		}
		return "none", false
	case "equals":
		return opposite(w, not(target, "not "+target), target), true
	case "in":
		return opposite(w, not("one of "+target, "none of "+target), "one of "+target), true
	case "contains":
		return opposite(w, not("with "+target, "without "+target), "with "+target), true
	case "containskey":
		return opposite(w, not("with "+target, "without "+target), "with "+target), true
	case "like", "match", "matchinsensitively":
		return opposite(w, not("as "+target, "not as "+target), "as "+target), true
	case "less":
		return not("less than "+target, "at least "+target), true
	case "lessorequals":
		return not("at most "+target, "more than "+target), true
	case "greater":
		return not("more than "+target, "at most "+target), true
	case "greaterorequals":
		return not("at least "+target, "less than "+target), true
	}
	return w.Operator + " " + target, true
}

// opposite is what is wanted where the operator is a negated one.
func opposite(w policy.Evaluated, plain, positive string) string {
	if strings.HasPrefix(w.Operator, "Not") && w.Result == policy.True {
		return positive
	}
	return plain
}

// shown is a value as a result prints it: what is not known as its expression.
func shown(w policy.Evaluated) string {
	if u, ok := w.Value.(*template.Unknown); ok {
		return u.Expr
	}
	if w.Missing {
		return ""
	}
	return spell(w.Value)
}

func spell(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return v
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, spell(x))
		}
		return strings.Join(all, ", ")
	case map[string]any:
		return "{" + strings.Join(slices.Sorted(maps.Keys(v)), ", ") + "}"
	}
	return fmt.Sprint(v)
}
