package drift

import (
	"slices"
	"strings"

	"aksid/internal/estate"
	"aksid/internal/finding"
)

// findingRow are the findings of one rule about one identity, by environment.
type findingRow struct {
	finding finding.Finding
	actor   string
	of      []int // how many each environment has
}

// findings compares what check finds, but for what breaks tell already.
func (c *comparison) findings() {
	var rows []*findingRow
	for i, s := range c.sides {
		if s == nil {
			continue
		}
		for _, f := range s.result.Findings {
			if len(f.Explains()) > 0 || passing[f.Rule.ID] || c.unlikeWorkloads(i, f) {
				continue
			}
			who := s.actorOf(f)
			at := slices.IndexFunc(rows, func(r *findingRow) bool { return r.finding.Rule == f.Rule && r.actor == who })
			if at < 0 {
				rows, at = append(rows, &findingRow{f, who, make([]int, len(c.sides))}), len(rows)
			}
			rows[at].of[i]++
		}
	}
	for _, r := range rows {
		c.compareFinding(r)
	}
}

func (c *comparison) compareFinding(r *findingRow) {
	values := make([]string, len(c.sides))
	for i, s := range c.sides {
		if s == nil {
			continue
		}
		if r.of[i] > 0 {
			values[i] = "yes"
		} else if why := c.hidden(i, r); why != "" {
			values[i] = Unreadable
			c.unknown(i, r.finding.Rule.ID, why)
		}
	}
	what := r.finding.Rule.Title
	if r.actor != "" {
		what = r.actor + ": " + lowerFirst(what)
	}
	if d := c.differ(Findings, r.finding.Severity, what, values); d != nil {
		d.Rule = r.finding.Rule.ID
	}
}

// passing are the rules that say what is so for a while, or what is not known.
var passing = map[string]bool{"granted-just-now": true, finding.UndecidedID: true}

// fromDocument are the rules that look at the cluster's document alone.
var fromDocument = map[string]bool{"service-principal": true, "local-accounts": true, "pod-identity": true, "shared-identity": true, "identity-in-other-subscription": true}

// hidden says what could not be read that a finding could hang on. What is missing in one reading of several environments
// is missing for all of them, unless it is about the cluster's own surroundings.
func (c *comparison) hidden(i int, r *findingRow) string {
	s := c.sides[i]
	if fromDocument[r.finding.Rule.ID] {
		return ""
	}
	for _, gap := range s.e.Incomplete {
		if strings.HasPrefix(gap.What, "deny assignments") {
			continue // what they deny is a need that is not met
		}
		near := !gap.Scope.IsZero() && slices.ContainsFunc(s.anchors, func(a anchor) bool {
			return gap.Scope.Contains(a.id) || a.id.Contains(gap.Scope) && a.id.GroupID() != a.id
		})
		everywhere := gap.Scope.IsZero() && !c.oneReading(i, r)
		if near || everywhere {
			return gap.What + ": " + gap.Why
		}
	}
	return ""
}

// oneReading reports whether the environments that have a finding were read together with another one.
func (c *comparison) oneReading(i int, r *findingRow) bool {
	for j, n := range r.of {
		if n > 0 && c.envs[j].Estate.From != c.envs[i].Estate.From {
			return false
		}
	}
	return true
}

// actorOf is what the identity of a finding does; "" where it is about none of the cluster's.
func (s *side) actorOf(f finding.Finding) string {
	if f.Principal.IsZero() {
		return ""
	}
	for _, id := range s.result.Identities {
		if id.Principal == f.Principal {
			if id.Role == estate.ServicePrincipal {
				return estate.Identity{Role: estate.ControlPlane}.Label()
			}
			return id.Label()
		}
	}
	return ""
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' || strings.HasPrefix(s, "A ") {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
