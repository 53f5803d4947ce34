package drift

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// needRow is one need of the clusters: a requirement on something that all of them may have.
type needRow struct {
	requirement *catalogue.Requirement
	names       []string // what the need is about, to the clusters that have it
	of          [][]*finding.Assessment
}

// needs compares what the clusters need and whether it is granted.
func (c *comparison) needs() {
	for _, row := range c.needRows() {
		for i, s := range c.sides {
			switch {
			case s == nil:
			case len(row.of[i]) > 0:
				c.present(row, i)
			default:
				c.foresee(row, i)
			}
		}
	}
}

// needRows puts needs together that are of one requirement and about the same thing.
func (c *comparison) needRows() (rows []*needRow) {
	for i, s := range c.sides {
		if s == nil {
			continue
		}
		for _, a := range s.result.Assessments {
			names := s.names(a.Need.Scope)
			at := slices.IndexFunc(rows, func(r *needRow) bool { return r.requirement == a.Requirement && len(common(r.names, names)) > 0 })
			if at < 0 {
				rows = append(rows, &needRow{a.Requirement, names, make([][]*finding.Assessment, len(c.sides))})
				at = len(rows) - 1
			}
			rows[at].names = common(rows[at].names, names)
			rows[at].of[i] = append(rows[at].of[i], a)
		}
	}
	return rows
}

// common are the names of both lists, in the order of the first.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// worst is the assessment that says what comes of a need: refused before unknown before granted.
func worst(all []*finding.Assessment) *finding.Assessment {
	for _, fits := range []func(finding.Status) bool{refused, func(s finding.Status) bool { return s == finding.Unknown }} {
		if i := slices.IndexFunc(all, func(a *finding.Assessment) bool { return fits(a.Status) }); i >= 0 {
			return all[i]
		}
	}
	return all[0]
}

func refused(s finding.Status) bool { return s == finding.Missing || s == finding.Denied }

// present compares a need that an environment has with how the others fare.
func (c *comparison) present(row *needRow, i int) {
	a := worst(row.of[i])
	what := fmt.Sprintf("%s: what the %s needs on %s", row.requirement.Feature, a.Identity.Label(), row.names[0])
	better, dark := -1, -1
	for j, s := range c.sides {
		switch {
		case s == nil || j == i:
		case len(row.of[j]) == 0 || worst(row.of[j]).Status == finding.Granted:
			if better < 0 || len(row.of[better]) == 0 {
				better = j
			}
		case worst(row.of[j]).Status == finding.Unknown:
			dark = j
		}
	}
	switch {
	case a.Status == finding.Unknown:
		c.unknown(i, what, a.Reason)
	case refused(a.Status) && better >= 0:
		c.fails(row, a, i, better)
	case refused(a.Status) && dark >= 0:
		c.unknown(dark, what, worst(row.of[dark]).Reason)
	}
}

// foresee decides a need that an earlier environment has and this one has not yet, with what is granted here.
func (c *comparison) foresee(row *needRow, i int) {
	from := slices.IndexFunc(row.of, func(all []*finding.Assessment) bool { return len(all) > 0 })
	if from > i {
		return // what a later environment has does not come here
	}
	there, here := row.of[from][0], c.sides[i]
	what := fmt.Sprintf("%s: what the %s would need", row.requirement.Feature, there.Identity.Label())
	at, why := c.expected(there.Need.Scope, i, from)
	if why != "" {
		c.unknown(i, what, why)
		return
	}
	who, ok := here.e.Actor(here.c, row.requirement.Actor, row.requirement.AddOn)
	if !ok {
		c.withoutActor(row, i, from)
		return
	}
	a := finding.AssessNeed(here.e, row.requirement, moved(there.Need, at.scope), who)
	switch {
	case a.Status == finding.Unknown:
		c.unknown(i, what, a.Reason)
	case refused(a.Status):
		b := c.breakOf(row, a, i, from)
		b.Detail += at.hint
		if !at.here {
			b.Remedy = nil
		}
		c.tell(b)
	}
}

// expected is where something of another environment would be in this one.
type expected struct {
	scope azure.ID
	here  bool // it is there already
	hint  string
}

// expected finds where something of one environment would be in another, or says why that is not known.
func (c *comparison) expected(scope azure.ID, in, from int) (at expected, why string) {
	there, here := c.sides[from], c.sides[in]
	var ok bool
	at.scope, at.here, ok = here.counterpart(there.frame, scope)
	switch {
	case !at.here && strings.EqualFold(scope.Type(), estate.TypeRegistry): // one is often shared
		if here.hidesRegistries() || !here.hasRead(scope.Subscription()) {
			return at, "it is not known which registries it pulls from; name them with --registry"
		}
		at = expected{scope, true, "; if " + c.envs[in].Name + " has a registry of its own, name it with --registry"}
	case !ok:
		return at, "nothing here corresponds to " + there.e.Place(scope, there.c.ID)
	case !at.here:
		at.hint = fmt.Sprintf("; there is none yet in %s, it is expected as %s", c.envs[in].Name, here.e.Place(at.scope, here.c.ID))
	}
	if sub := at.scope.Subscription(); !here.hasRead(sub) {
		return at, "subscription " + sub + " was not read"
	}
	return at, ""
}

// pullsSomewhere reports whether the kubelet has a role for pulling on more than one registry.
func (s *side) pullsSomewhere() bool {
	kubelet, ok := s.e.Actor(s.c, estate.Kubelet, "")
	for g := range s.e.Policy.GrantsOf(kubelet.Principal, time.Time{}) {
		if ok && catalogue.PullRole(s.e, g.Role) {
			return true
		}
	}
	return false
}

// moved is a need at another scope.
func moved(need catalogue.Need, to azure.ID) catalogue.Need {
	if !to.Equal(need.Scope) {
		if need.Scope = to; need.Object == "" {
			need.Target = ""
		}
	}
	if need.Or != nil {
		or := moved(*need.Or, to)
		need.Or = &or
	}
	return need
}

// hasRead reports whether a subscription is one whose role assignments the estate can tell.
func (s *side) hasRead(sub string) bool {
	return sub == "" || strings.EqualFold(sub, s.c.ID.Subscription()) || s.e.Assignments(sub) > 0 ||
		slices.ContainsFunc(s.anchors, func(a anchor) bool { return strings.EqualFold(a.id.Subscription(), sub) })
}

// withoutActor tells of a need whose identity comes with the feature: it holds no role when it is made.
func (c *comparison) withoutActor(row *needRow, i, from int) {
	there := row.of[from][0]
	if row.requirement.Actor != estate.AddOn {
		c.unknown(i, row.requirement.Feature, "it has no "+there.Identity.Label()+" identity")
		return
	}
	c.group.Breaks = append(c.group.Breaks, Break{
		In: i, From: from, Severity: severityOf(there), Rule: finding.MissingID(row.requirement), Feature: row.requirement.Feature,
		Title:  row.requirement.Consequence(catalogue.Need{Target: row.names[0]}),
		Detail: fmt.Sprintf("the identity of %s comes with it and has no roles then; it takes %s on %s", there.Identity.Label(), there.Need.Role, row.names[0]),
	})
}

// breakOf tells of a need that is not met.
func (c *comparison) breakOf(row *needRow, a *finding.Assessment, in, from int) Break {
	here := c.sides[in]
	b := Break{In: in, From: from, Severity: severityOf(a), Rule: finding.MissingID(a.Requirement),
		Feature: a.Requirement.Feature, Title: a.Requirement.Consequence(a.Need)}
	if a.Need.Certainty == catalogue.Maybe {
		b.Title = "perhaps: " + b.Title
	}
	if a.Status == finding.Denied {
		b.Detail = fmt.Sprintf("%s: %s", a.Identity.Label(), a.Reason)
	} else {
		b.Detail = fmt.Sprintf("%s lacks %s on %s", a.Identity.Label(), finding.ShortList(a.Missing), here.e.Place(a.Need.Scope, here.c.ID))
		b.Remedy = []estate.Change{estate.Assign{Role: a.Need.Role, Principal: a.Identity.Principal, PrincipalType: a.Identity.PrincipalType(), Scope: a.Need.Scope}}
	}
	if b.held = c.heldThere(row, from); b.held != "" {
		b.Detail += fmt.Sprintf("; in %s it has %s", c.envs[from].Name, b.held)
	}
	return b
}

// fails tells of a need that is not met already, as check found it.
func (c *comparison) fails(row *needRow, a *finding.Assessment, in, from int) {
	b := c.breakOf(row, a, in, from)
	b.Now = true
	found := slices.IndexFunc(c.sides[in].result.Findings, func(f finding.Finding) bool { return slices.Contains(f.Explains(), a) })
	if found < 0 {
		return // somebody lives with it
	}
	f := c.sides[in].result.Findings[found]
	b.Severity, b.Rule, b.Remedy = f.Severity, f.Rule.ID, f.Remedy
	if f.Rule.ID != finding.MissingID(a.Requirement) {
		b.Detail = f.Detail
	}
	c.tell(b)
}

// tell adds a break, unless it is there.
func (c *comparison) tell(b Break) {
	same := func(o Break) bool {
		return o.In == b.In && o.Rule == b.Rule && o.Title == b.Title && o.Detail == b.Detail
	}
	if !slices.ContainsFunc(c.group.Breaks, same) {
		c.group.Breaks = append(c.group.Breaks, b)
	}
}

// heldThere says by which role a need is met in an environment.
func (c *comparison) heldThere(row *needRow, in int) string {
	if len(row.of[in]) == 0 {
		return ""
	}
	s, a := c.sides[in], row.of[in][0]
	if len(a.GrantedBy) == 0 {
		return ""
	}
	g := a.GrantedBy[0]
	return fmt.Sprintf("%s on %s", s.e.RoleName(g.Role), s.names(g.Scope)[0])
}

// severityOf is what check makes of a need that is not met.
func severityOf(a *finding.Assessment) finding.Severity {
	switch {
	case a.Need.Certainty == catalogue.Maybe:
		return finding.Note
	case a.Need.Phase == catalogue.Rebuild:
		return finding.Warning
	}
	return finding.Error
}
