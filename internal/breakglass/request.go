package breakglass

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
)

// Longest is how long something may be asked for: what is needed for longer is no emergency.
const Longest = 7 * 24 * time.Hour

// Wish is what somebody asks for, before it is known which roles that takes.
type Wish struct {
	Rule  string            // the finding, or
	Need  string            // the requirement, as subnet-join
	Scope azure.ID          // only there; zero: wherever it is needed
	To    azure.PrincipalID // a person who is to do by hand what the cluster cannot; zero: the cluster's own identity
}

// errNothing says that a wish takes no role.
var errNothing = errors.New("there is nothing to grant")

// Roles are the least roles at the least scopes that a wish takes on a cluster. It is an error if it takes none, or one that
// reaches a whole subscription.
func (w Wish) Roles(e *estate.Estate, c *estate.Cluster, o finding.Options) ([]Wanted, error) {
	changes, err := w.changes(e, c, o)
	if err != nil {
		return nil, err
	}
	var out []Wanted
	custom := map[string]*Custom{}
	ids := map[string]azure.GUID{}
	for _, change := range changes {
		switch x := change.(type) {
		case estate.DefineRole:
			custom[x.Name], ids[x.Name] = &Custom{x.Description, x.Actions, x.DataActions}, x.ID
		case estate.Assign:
			g, err := w.wanted(e, c, x, ids[x.Role])
			if err != nil {
				return nil, err
			}
			g.Custom = custom[x.Role]
			if !slices.ContainsFunc(out, func(o Wanted) bool { return o.same(g) }) {
				out = append(out, g)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no role mends %s; aksid fix shows what does", errNothing, w.Rule)
	}
	return out, nil
}

func (w Wanted) same(o Wanted) bool {
	return w.Role == o.Role && w.Principal == o.Principal && w.Scope.Equal(o.Scope)
}

// changes are what mends the finding, or meets the need.
func (w Wish) changes(e *estate.Estate, c *estate.Cluster, o finding.Options) (out []estate.Change, err error) {
	r := o.Check(e, c)
	var seen []string
	for _, f := range r.Findings {
		if f.Rule.ID == w.Rule && (w.Scope.IsZero() || w.Scope.Equal(f.Scope)) {
			out = append(out, f.Remedy...)
		}
		if grants(f.Remedy) && !slices.Contains(seen, f.Rule.ID) {
			seen = append(seen, f.Rule.ID)
		}
	}
	if w.Rule != "" && out == nil && !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Rule.ID == w.Rule }) {
		return nil, fmt.Errorf("%w: %s has no finding %s; those that a role mends: %s", errNothing, c.ID.Name(), w.Rule, listed(seen))
	}
	if w.Rule != "" {
		return out, nil
	}
	return w.forNeed(e, c, r.Assessments)
}

func (w Wish) forNeed(e *estate.Estate, c *estate.Cluster, all []*finding.Assessment) (out []estate.Change, err error) {
	var needs []string
	met := false
	for _, a := range all {
		if !slices.Contains(needs, a.Requirement.ID) {
			needs = append(needs, a.Requirement.ID)
		}
		if a.Requirement.ID != w.Need && finding.MissingID(a.Requirement) != w.Need || !w.Scope.IsZero() && !w.Scope.Equal(a.Need.Scope) {
			continue
		}
		if a.Status == finding.Granted && w.To.IsZero() {
			met = true
			continue
		}
		out = append(out, finding.Least(e, c, a)...)
	}
	switch {
	case out != nil:
		return out, nil
	case met:
		return nil, fmt.Errorf("%w: the identity has what it needs for %s; --to names a person who is to do it by hand", errNothing, w.Need)
	}
	return nil, fmt.Errorf("%w: %s has no need %s; it needs: %s", errNothing, c.ID.Name(), w.Need, listed(needs))
}

func grants(changes []estate.Change) bool {
	return slices.ContainsFunc(changes, func(c estate.Change) bool { _, ok := c.(estate.Assign); return ok })
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// wanted is a role to be assigned, to the person of the wish if there is one.
func (w Wish) wanted(e *estate.Estate, c *estate.Cluster, a estate.Assign, custom azure.GUID) (Wanted, error) {
	g := Wanted{Role: custom, RoleName: a.Role, Principal: a.Principal, PrincipalType: a.PrincipalType, Scope: a.Scope}
	if g.Role.IsZero() {
		id, ok := roleNamed(e, a.Role)
		if !ok {
			return g, fmt.Errorf("the role %s is not known", a.Role)
		}
		g.Role = id
	}
	if !w.To.IsZero() {
		o, known := e.Object(w.To)
		if known != estate.Known || o.Type == "" {
			return g, fmt.Errorf("the directory does not show who %s is; --to takes the object id of a person, a group or a service principal: az ad user show --id NAME --query id", w.To)
		}
		g.Principal, g.PrincipalType = w.To, o.Type
	}
	g.PrincipalName = nameOf(e, c, g.Principal)
	if scope := g.Scope; scope.ResourceGroup() == "" {
		return g, fmt.Errorf("%s on %s reaches a whole subscription or more: that is not given in an emergency; have it assigned as any other role", g.RoleName, e.Place(scope, azure.ID{}))
	}
	return g, nil
}

// nameOf is how a person calls a principal, seen from a cluster.
func nameOf(e *estate.Estate, c *estate.Cluster, p azure.PrincipalID) string {
	for _, id := range e.Identities(c) {
		if id.Principal == p {
			return "the " + id.Label() + " identity " + id.Name
		}
	}
	return e.PrincipalName(p)
}

func roleNamed(e *estate.Estate, name string) (azure.GUID, bool) {
	if g, err := azure.ParseGUID(name); err == nil {
		return g, true
	}
	if r, ok := rbac.BuiltInRole(name); ok {
		return r.ID, true
	}
	for r := range e.Policy.Roles() {
		if r.Name == name {
			return r.ID, true
		}
	}
	return azure.GUID{}, false
}

// Request writes a request into the record and answers with it.
func (d Desk) Request(ctx context.Context, asked Asked, why string) (*Case, error) {
	switch span := time.Duration(asked.For); {
	case strings.TrimSpace(why) == "":
		return nil, errors.New("a request says why: the approver and the auditor read it")
	case span < 5*time.Minute || span > Longest:
		return nil, fmt.Errorf("%s is no time for an emergency; it is from 5m to %s", asked.For, Span(Longest))
	}
	e, err := d.Record.Append(ctx, func(rec *Record) (Entry, error) {
		return d.entry(Entry{Verb: Ask, Request: newID(d.Now), Why: why, Asked: &asked}), nil
	})
	if err != nil {
		return nil, err
	}
	return d.find(e.Request)
}

// newID names a request: its day, and enough besides that nobody meets it again.
func newID(now time.Time) string {
	return "bg-" + now.UTC().Format("20060102") + "-" + strings.ToLower(rand.Text()[:8])
}
