package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// cases are the requests of the break-glass record.
func (in Input) cases() []*breakglass.Case {
	if in.Record == nil {
		return nil
	}
	return in.Record.Cases()
}

// acceptances adds the findings that somebody lives with.
func (m *maker) acceptances() {
	type acceptance struct {
		*finding.Acceptance
		Expired bool `json:"expired"`
	}
	out := []acceptance{}
	for _, a := range m.Check.Tuning.Accepted() {
		out = append(out, acceptance{a, m.Now.After(a.Until)})
	}
	m.add("acceptances.json", out)
	m.facts.accepted = m.Check.Tuning.Accepted()
}

// breakglass adds the record of what was given in an emergency: line by line as it is, so that it can be compared with the file
// itself, unless something has to be taken out of it; and the requests with their state.
func (m *maker) breakglass() {
	if m.Record == nil {
		return
	}
	var b strings.Builder
	m.fail(breakglass.JSON(&b, m.cases(), m.Now))
	m.addJSON("breakglass/requests.json", []byte(b.String()))
	text := string(m.Record.Text)
	verbatim := m.names.replace(scrub(text)) == text
	if verbatim {
		m.files = append(m.files, File{"breakglass/record.jsonl", m.Record.Text})
	}
	problems := []string{}
	for _, p := range m.Record.Problems {
		problems = append(problems, p.String())
	}
	m.add("breakglass/record.json", object{"entries": len(m.Record.Entries), "head": m.Record.Head, "sha256": sum(m.Record.Text), "problems": problems, "verbatim": verbatim})
	m.facts.cases, m.facts.problems = m.cases(), problems
}

// collection adds who has collected what, when, with which rights, and what could not be read.
func (m *maker) collection() {
	type right struct {
		What   string `json:"what"`
		Action string `json:"action,omitempty"`
		Scope  string `json:"scope,omitempty"`
		Held   bool   `json:"held"`
		Vital  bool   `json:"vital"`
	}
	type logged struct {
		Subscription string     `json:"subscription"`
		Name         string     `json:"name"`
		Since        *time.Time `json:"activityLogSince"` // null: the log was not read
		Eligible     bool       `json:"eligibleRolesRead"`
	}
	rights, subscriptions, clusters := []right{}, []logged{}, []azure.ID{}
	for _, r := range m.Rights {
		rights = append(rights, right{r.What, string(r.Action), r.Scope.String(), r.Held, r.Vital})
	}
	for _, sub := range m.matters.subscriptions() {
		l := logged{Subscription: sub, Name: m.Estate.SubscriptionName(sub), Eligible: m.Estate.EligibleKnown(sub)}
		if t, ok := m.Estate.LoggedSince(sub); ok {
			t = t.Truncate(time.Second)
			l.Since = &t
		}
		subscriptions = append(subscriptions, l)
	}
	above := []object{}
	for _, i := range m.Estate.Unlogged {
		above = append(above, object{"what": i.What, "why": i.Why, "right": i.Right})
	}
	for _, c := range m.Estate.Clusters {
		clusters = append(clusters, c.ID)
	}
	who := m.Collector
	who.Name = m.names.person(who.Object, who.Name)
	m.add("collection.json", object{
		"schemaVersion": SchemaVersion, "tool": "aksid " + m.Version, "createdAt": second(m.Now), "readAt": second(m.Estate.At), "from": m.source(),
		"collector": who, "period": object{"from": second(m.From), "to": second(m.To)}, "namesRedacted": m.Redact,
		"clusters": clusters, "subscriptions": subscriptions, "rights": rights, "incomplete": filled(m.Estate.Incomplete),
		"activityLogsNotRead": above, "assignmentsLeftOut": m.matters.left,
	})
}

// second is a time as the bundle writes it; nil for none.
func second(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// subscriptions are those of what concerns the clusters, in lower case.
func (m *matters) subscriptions() []string {
	var out []string
	for _, s := range m.scopes {
		if sub := strings.ToLower(s.Subscription()); sub != "" && !slices.Contains(out, sub) {
			out = append(out, sub)
		}
	}
	slices.Sort(out)
	return out
}

// facts are what the summary says.
type facts struct {
	tally                          string
	clusters                       []clusterFacts
	assignments, schedules, denies int
	changes                        []change
	changers                       []*changer
	actors                         []*actor
	accepted                       []*finding.Acceptance
	cases                          []*breakglass.Case
	problems                       []string
}

type clusterFacts struct {
	id         azure.ID
	identities []string
	roles      []string
	high       []string // roles on a whole subscription or above
	counts     map[finding.Severity]int
	accepted   int
	findings   []finding.Finding
}

func (f *facts) cluster(e *estate.Estate, r finding.Result) {
	c := clusterFacts{id: r.Cluster.ID, counts: map[finding.Severity]int{}, accepted: len(r.Accepted), findings: r.Findings}
	for _, x := range r.Findings {
		c.counts[x.Severity]++
	}
	for _, id := range r.Identities {
		c.identities = append(c.identities, fmt.Sprintf("%s: %s %s, principal %s", id.Label(), id.Kind, id.Name, orUnknown(id.Principal)))
		if !id.Known() {
			continue
		}
		for _, holder := range append([]azure.PrincipalID{id.Principal}, e.Policy.GroupsOf(id.Principal)...) {
			for _, g := range e.Held(holder) {
				text := fmt.Sprintf("%s on %s (%s)", e.RoleName(g.Role), e.Place(g.Scope, c.id), id.Label())
				c.roles = append(c.roles, text)
				if high(g) {
					c.high = append(c.high, text)
				}
			}
		}
	}
	f.clusters = append(f.clusters, c)
}

func orUnknown(p azure.PrincipalID) string {
	if p.IsZero() {
		return "not known"
	}
	return p.String()
}
