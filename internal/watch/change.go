package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// changes tells of what differs between two scenes. Of the first one it tells only what is about to end. events are those at
// hand: they may say who did it.
func (p *pass) changes(events []*estate.Event) []Notice {
	out := p.secrets()
	if p.before == nil {
		return out
	}
	for _, key := range slices.Sorted(maps.Keys(p.now.Clusters)) {
		now, before := p.now.Clusters[key], p.before.Clusters[key]
		if before == nil {
			continue // watched from now on
		}
		out = append(out, p.switched(before, now, events)...)
		out = append(out, p.findings(before, now)...)
	}
	out = append(out, p.groups()...)
	return append(out, p.grantsUnlogged()...)
}

// changed is a notice of a change that no entry of a log stands for.
func (p *pass) changed(kind string, n Notice, parts ...string) Notice {
	k := kindNamed(kind)
	n.Kind, n.Time = kind, p.now.At
	n.ID = digest(append([]string{kind, p.now.At.Format(time.RFC3339Nano)}, parts...)...)
	n.Severity = cmp.Or(n.Severity, k.Severity)
	return n
}

// switched tells of identities of a cluster that are others than before.
func (p *pass) switched(before, now *clusterScene, events []*estate.Event) []Notice {
	var out []Notice
	for _, id := range now.Identities {
		i := slices.IndexFunc(before.Identities, func(x identity) bool { return x.Label == id.Label })
		if i < 0 || before.Identities[i].Principal == id.Principal {
			continue
		}
		old := before.Identities[i]
		n := p.changed("identity-switched", Notice{
			Text:     fmt.Sprintf("the %s acts as %s, before as %s", id.Label, id.who(), old.who()),
			Detail:   []string{"what the former one was given does not carry over; see: aksid check " + now.ID.ResourceGroup() + "/" + now.ID.Name()},
			Clusters: []azure.ID{now.ID}, Identity: id.Label, Principal: pointer(id.Principal), Scope: now.ID,
		}, now.ID.Key(), id.Label, id.Principal.String())
		if v := causeOf(events, estate.TypeCluster+"/write", now.ID); v != nil {
			n.By, n.ByID, n.Events, n.Operation, n.Time = p.by(v), pointer(v.Principal), []string{v.ID}, v.Operation, v.Time
		}
		out = append(out, n)
	}
	return out
}

// causeOf is the last entry of an operation on something.
func causeOf(events []*estate.Event, operation string, on azure.ID) *estate.Event {
	for _, v := range slices.Backward(events) {
		if strings.EqualFold(string(v.Operation), operation) && v.Scope.Equal(on) && !v.Failed() {
			return v
		}
	}
	return nil
}

func (p *pass) findings(before, now *clusterScene) []Notice {
	var out []Notice
	tell := func(kind string, in, notIn map[string]foundItem) {
		for _, key := range slices.Sorted(maps.Keys(in)) {
			if _, both := notIn[key]; both {
				continue
			}
			f := in[key]
			n := Notice{Text: f.Title + " (" + f.Rule + ")", Clusters: []azure.ID{now.ID}}
			if kind == "finding-begins" {
				n.Severity, n.Next = f.Severity, []string{"aksid fix " + now.ID.ResourceGroup() + "/" + now.ID.Name()}
			} else {
				n.Text = "no more: " + n.Text
			}
			if f.Detail != "" {
				n.Detail = []string{strings.TrimLeft(f.Detail, "; ")}
			}
			out = append(out, p.changed(kind, n, now.ID.Key(), key))
		}
	}
	tell("finding-begins", now.Findings, before.Findings)
	tell("finding-ends", before.Findings, now.Findings)
	return out
}

// groups tells of groups that identities have joined or left. An identity that is another one now is told of as such.
func (p *pass) groups() []Notice {
	var out []Notice
	tell := func(kind, text string, in, notIn *scene) {
		for _, group := range slices.SortedFunc(maps.Keys(in.Actors), func(a, b azure.PrincipalID) int { return strings.Compare(a.String(), b.String()) }) {
			for _, a := range in.Actors[group] {
				if a.Group == "" || slices.Contains(notIn.Actors[group], a) || !p.same(a) {
					continue
				}
				n := Notice{Text: fmt.Sprintf(text, a.Label, a.Name, a.Group), Clusters: []azure.ID{a.Cluster}, Identity: a.Label, Principal: pointer(group)}
				for _, key := range slices.Sorted(maps.Keys(in.Grants)) {
					if g := in.Grants[key]; g.Principal == group {
						n.Detail = append(n.Detail, "the group has "+g.Role+" on "+p.place(g.Scope, n.Clusters))
					}
				}
				out = append(out, p.changed(kind, n, group.String(), a.Cluster.Key(), a.Label))
			}
		}
	}
	tell("group-joined", "%s %s is in group %s now", p.now, p.before)
	tell("group-left", "%s %s is no longer in group %s", p.before, p.now)
	return out
}

// same reports whether an identity of a cluster was and is the same principal.
func (p *pass) same(a actor) bool {
	principal := func(s *scene) (id azure.PrincipalID) {
		if c := s.Clusters[a.Cluster.Key()]; c != nil {
			for _, x := range c.Identities {
				if x.Label == a.Label {
					id = x.Principal
				}
			}
		}
		return id
	}
	now := principal(p.now)
	return now == principal(p.before) && !now.IsZero()
}

// grantsUnlogged tells of roles of clusters' identities that no log that was read tells of: on management groups, at the root,
// and in subscriptions that they had nothing to do with.
func (p *pass) grantsUnlogged() []Notice {
	logged := slices.DeleteFunc(p.before.logs(), func(log string) bool { return upper(log) && !slices.Contains(p.logged, log) })
	var out []Notice
	tell := func(kind, done string, in, notIn *scene) {
		for _, key := range slices.Sorted(maps.Keys(in.Grants)) {
			g := in.Grants[key]
			_, both := notIn.Grants[key]
			actors := in.Actors[g.Principal]
			if both || slices.Contains(logged, estate.LogOf(g.Scope)) || len(actors) == 0 || len(notIn.Actors[g.Principal]) == 0 {
				continue
			}
			clusters := clustersOf(actors)
			as := kind
			if kind == "high-scope-grant" && !finding.IsBroadScope(g.Scope) {
				as = "role-given"
			}
			out = append(out, p.changed(as, Notice{
				Text:     g.Role + " on " + p.place(g.Scope, clusters) + " " + done + " " + actors[0].String(),
				Detail:   []string{"who did it stands in another log than those that are read: the management group's or that subscription's"},
				Clusters: clusters, Identity: actors[0].Label, Principal: pointer(g.Principal), Role: g.Role, Scope: g.Scope,
			}, key))
		}
	}
	tell("high-scope-grant", "given to", p.now, p.before)
	tell("role-removed", "taken from", p.before, p.now)
	return out
}

// warnings are how long before its end a secret is told of.
var warnings = []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour, 0}

// due counts the warnings that are due for a secret.
func due(until, now time.Time) int {
	n := 0
	for _, w := range warnings {
		if !until.IsZero() && !now.Before(until.Add(-w)) {
			n++
		}
	}
	return n
}

// secrets tells of secrets that are about to end: once for each warning.
func (p *pass) secrets() []Notice {
	var out []Notice
	for _, key := range slices.Sorted(maps.Keys(p.now.Secrets)) {
		s, told := p.now.Secrets[key], 0
		if p.before != nil {
			if old, ok := p.before.Secrets[key]; ok {
				told = due(old.Until, p.before.At)
			}
		}
		level := due(s.Until, p.now.At)
		if level <= told {
			continue
		}
		n := Notice{Severity: finding.Warning, Clusters: []azure.ID{s.Cluster}, Identity: "service principal",
			Text:   fmt.Sprintf("the last secret of service principal %s ends at %s", s.Owner, s.Until.UTC().Format(minutes)),
			Detail: []string{"the cluster stops working then: az aks update-credentials gives it another one, a managed identity needs none"}}
		if level == len(warnings) {
			n.Text, n.Severity = strings.Replace(n.Text, "ends at", "ended at", 1), finding.Error
		}
		n = p.changed("secret-expiring", n)
		n.ID = digest("secret-expiring", s.Cluster.Key(), key, fmt.Sprint(level), s.Until.String())
		out = append(out, n)
	}
	return out
}
