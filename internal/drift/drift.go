// Package drift compares clusters that are to be alike: of several environments, or of one at several times. It says what
// will break when a release gets from one to the next, and what else differs.
//
// Names, ids, versions and counts differ between environments and mean nothing. So everything is told by what it is to its
// cluster (frame.go): a role on "the resource group of the registry" is the same wherever that group is. What could not be
// read is not a difference: it makes a comparison unknown.
package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/estate"
	"aksid/internal/finding"
)

// Environment is one side of a comparison.
type Environment struct {
	Name     string
	Estate   *estate.Estate
	Clusters []*estate.Cluster
}

// Options say how to compare.
type Options struct {
	Check finding.Options  // how the clusters are checked
	Match finding.Matching // which clusters belong together, where names do not tell
}

// Group are the clusters of one role, one of each environment, and what there is to say of them.
type Group struct {
	Role     string
	Clusters []*estate.Cluster // by environment; nil where it has none
	// Breaks are what does not work in one environment, or will not once a release from an earlier one gets there.
	Breaks      []Break
	Differences []Difference
	Unknown     []Unknown
}

// Break is something that fails in one environment and not in another.
type Break struct {
	In       int  // the environment, by its place among those that are compared
	From     int  // the one that has what this one lacks
	Now      bool // it fails already; otherwise it will, when what From has gets here
	Severity finding.Severity
	Rule     string // the rule of check that finds it, or would
	Title    string // what a user sees
	Detail   string // why
	Feature  string // what the need is for
	Remedy   []estate.Change
	held     string // the role that From has for it, and on what
}

// Area is what a difference is about.
type Area string

// The areas, in the order in which they are shown. A cluster without a counterpart stands first.
const (
	Clusters   Area = "cluster"
	Identities Area = "identity"
	Roles      Area = "role"
	Findings   Area = "finding"
	Features   Area = "feature"
	Registries Area = "registry"
	Network    Area = "network"
	Kubernetes Area = "kubernetes"
)

var areas = []Area{Clusters, Identities, Roles, Findings, Features, Registries, Network, Kubernetes}

// Difference is something that is not the same everywhere.
type Difference struct {
	Area     Area
	What     string
	Rule     string // of check, for findings
	Severity finding.Severity
	Values   []string // by environment; "": none. Unreadable where it could not be told
	Told     bool     // a break says it already, with what comes of it
}

// Unreadable is the value of what could not be told.
const Unreadable = "?"

// Unknown is something that could not be compared.
type Unknown struct {
	In   int // the environment that does not tell
	What string
	Why  string
}

// Compare compares environments; what comes of a release is told in their order, the first has it.
func Compare(envs []Environment, o Options) []Group {
	envs = ownRegistries(envs)
	var out []Group
	for _, g := range match(envs, o.Match) {
		c := comparison{envs: envs, group: g, options: o}
		c.run()
		out = append(out, *g)
	}
	slices.SortStableFunc(out, func(x, y Group) int { return x.rank() - y.rank() })
	return out
}

// rank puts first what breaks, then what differs, then what cannot be told.
func (g *Group) rank() int {
	switch {
	case len(g.Breaks) > 0:
		return 0
	case len(g.Differences) > 0:
		return 1
	case len(g.Unknown) > 0:
		return 2
	}
	return 3
}

// comparison is one group while it is compared.
type comparison struct {
	envs    []Environment
	group   *Group
	options Options
	sides   []*side // by environment; nil where it has no cluster
}

// side is one cluster of a comparison.
type side struct {
	*frame
	result   finding.Result
	holdings []*holding
}

func (c *comparison) run() {
	for i, cluster := range c.group.Clusters {
		var s *side
		if cluster != nil {
			s = &side{frame: newFrame(c.envs[i].Estate, cluster), result: c.options.Check.Check(c.envs[i].Estate, cluster)}
			s.holdings = held(s)
		}
		c.sides = append(c.sides, s)
	}
	if slices.Contains(c.group.Clusters, nil) {
		c.absent()
	}
	if c.pairs() == 0 {
		return
	}
	c.needs()
	c.workloads()
	c.aspects()
	c.objects()
	c.roles()
	c.findings()
	g := c.group
	slices.SortStableFunc(g.Breaks, func(x, y Break) int {
		return cmp.Or(slices.Index(finding.Severities, x.Severity)-slices.Index(finding.Severities, y.Severity), x.In-y.In)
	})
	slices.SortStableFunc(g.Differences, func(x, y Difference) int {
		return cmp.Or(slices.Index(areas, x.Area) - slices.Index(areas, y.Area))
	})
	g.Unknown = together(g.Unknown)
}

// together puts in one what one gap hides.
func together(all []Unknown) (out []Unknown) {
	const few = 3
	var rest []int // how many more there are, by place in out
	var told []int
	for _, u := range all {
		at := slices.IndexFunc(out, func(o Unknown) bool { return o.In == u.In && o.Why == u.Why })
		switch {
		case at < 0:
			out, rest, told = append(out, u), append(rest, 0), append(told, 1)
		case told[at] < few:
			out[at].What += "; " + u.What
			told[at]++
		default:
			rest[at]++
		}
	}
	for i, n := range rest {
		if n > 0 {
			out[i].What += fmt.Sprintf("; and %d more", n)
		}
	}
	return out
}

// pairs is how many clusters there are beside the first.
func (c *comparison) pairs() int {
	n := -1
	for _, s := range c.sides {
		if s != nil {
			n++
		}
	}
	return max(n, 0)
}

// absent tells of environments that have no cluster of this role.
func (c *comparison) absent() {
	d := Difference{Area: Clusters, What: "cluster", Severity: finding.Warning}
	for _, cluster := range c.group.Clusters {
		name := ""
		if cluster != nil {
			name = cluster.ID.ResourceGroup() + "/" + cluster.ID.Name()
		}
		d.Values = append(d.Values, name)
	}
	c.group.Differences = append(c.group.Differences, d)
}

// differ adds a difference, if the values that are known are not all one.
func (c *comparison) differ(area Area, severity finding.Severity, what string, values []string) *Difference {
	first, same := "", true
	for i, s := range c.sides {
		if s == nil || values[i] == Unreadable {
			continue
		}
		if first == "" {
			first = "=" + values[i]
		}
		same = same && first == "="+values[i]
	}
	if same {
		return nil
	}
	c.group.Differences = append(c.group.Differences, Difference{Area: area, What: what, Severity: severity, Values: values})
	return &c.group.Differences[len(c.group.Differences)-1]
}

// unknown notes what an environment does not tell.
func (c *comparison) unknown(in int, what, why string) {
	u := Unknown{in, what, why}
	if !slices.Contains(c.group.Unknown, u) {
		c.group.Unknown = append(c.group.Unknown, u)
	}
}

// listed joins texts for a cell.
func listed(texts []string) string { return strings.Join(texts, ", ") }
