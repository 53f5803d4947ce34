package drift

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"unicode"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// match puts clusters of one role together: one that is the same at another time, one that the user says, the only ones
// there are, and those whose names differ in nothing but words for environments.
func match(envs []Environment, m finding.Matching) []*Group {
	var groups []*Group
	if alone(envs) {
		g := &Group{Role: "", Clusters: make([]*estate.Cluster, len(envs))}
		for i, e := range envs {
			g.put(i, e.Clusters[0], roleOf(e, e.Clusters[0], m))
		}
		return []*Group{g}
	}
	for i, e := range envs {
		for _, c := range e.Clusters {
			role := roleOf(e, c, m)
			at := slices.IndexFunc(groups, func(g *Group) bool { return g.Clusters[i] == nil && g.has(c.ID) })
			if at < 0 {
				at = slices.IndexFunc(groups, func(g *Group) bool { return g.Clusters[i] == nil && g.Role == role })
			}
			if at < 0 {
				groups = append(groups, &Group{Clusters: make([]*estate.Cluster, len(envs))})
				at = len(groups) - 1
			}
			groups[at].put(i, c, role)
		}
	}
	for _, g := range groups {
		g.nameAlike()
	}
	slices.SortStableFunc(groups, func(x, y *Group) int { return cmp.Compare(x.Role, y.Role) })
	return groups
}

// nameAlike calls one cluster at several times by its name: several may be of one role.
func (g *Group) nameAlike() {
	var one azure.ID
	for _, c := range g.Clusters {
		if c == nil || !one.IsZero() && !c.ID.Equal(one) {
			return
		}
		one = c.ID
	}
	g.Role = one.Name()
}

// alone reports whether every environment is one cluster.
func alone(envs []Environment) bool {
	return !slices.ContainsFunc(envs, func(e Environment) bool { return len(e.Clusters) != 1 })
}

func (g *Group) put(i int, c *estate.Cluster, role string) {
	g.Clusters[i] = c
	if g.Role == "" {
		g.Role = role
	}
}

func (g *Group) has(id azure.ID) bool {
	return slices.ContainsFunc(g.Clusters, func(c *estate.Cluster) bool { return c != nil && c.ID.Equal(id) })
}

// roleOf is what a cluster is for: as the user says it, as a tag says it, or its name without words for environments.
func roleOf(e Environment, c *estate.Cluster, m finding.Matching) string {
	for _, same := range m.Same {
		if slices.ContainsFunc(same, c.Named) {
			return strings.ToLower(same[0])
		}
	}
	if tag, ok := c.Tag(m.RoleTag); ok {
		return strings.ToLower(tag)
	}
	return plainName(c.ID.Name(), e.Name)
}

// plainName is a name without words for environments, and for the one that it is of.
func plainName(name, environment string) string {
	own := words(environment)
	rest := slices.DeleteFunc(words(name), func(w string) bool { return environments[w] || slices.Contains(own, w) })
	return strings.Join(rest, "-")
}

// words are the parts of a name, in lower case.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// environments are words that names of resources use for an environment (Cloud Adoption Framework, naming: environment).
var environments = func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields("dev development devel d test tst t testing qa uat acc acceptance int integration sit " +
		"stage staging stg s pre preprod preproduction ppd prod production prd live p sandbox sbx demo perf load dr") {
		out[w] = true
	}
	return out
}()

// ownRegistries leaves each environment the registries that are its own. Those that the user names are the ones that all
// clusters of an estate pull from; but one that an environment may pull from, or that is in the resource group of one of its
// clusters, is that environment's, and no other's that has its own. An environment without any needs all that are nobody's,
// or if there are none, all of them.
func ownRegistries(envs []Environment) []Environment {
	out := slices.Clone(envs)
	homes := make([][]azure.ID, len(envs))
	for i, e := range envs {
		homes[i] = append(e.granted(), only(e.Estate.Registries, e.houses)...)
	}
	poor := slices.ContainsFunc(homes, func(ids []azure.ID) bool { return len(ids) == 0 })
	for i, e := range envs {
		own := only(e.Estate.Registries, func(id azure.ID) bool { return slices.ContainsFunc(homes[i], id.Equal) })
		if len(own) == 0 && (len(homes[i]) == 0 || !poor) {
			own = only(e.Estate.Registries, func(id azure.ID) bool {
				return !slices.ContainsFunc(homes, func(ids []azure.ID) bool { return slices.ContainsFunc(ids, id.Equal) })
			})
			if len(own) == 0 {
				own = e.Estate.Registries
			}
		}
		next := *e.Estate
		next.Registries = own
		out[i].Estate = &next
	}
	return out
}

// houses reports whether something is in the resource group of one of the clusters.
func (e Environment) houses(id azure.ID) bool {
	return slices.ContainsFunc(e.Clusters, func(c *estate.Cluster) bool { return c.ID.GroupID().Equal(id.GroupID()) })
}

func only(ids []azure.ID, fits func(azure.ID) bool) []azure.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id azure.ID) bool { return !fits(id) })
}

// granted are the registries that the environment's clusters were given roles for.
func (e Environment) granted() (ids []azure.ID) {
	none := *e.Estate
	none.Registries = nil
	for _, c := range e.Clusters {
		ids = append(ids, catalogue.Registries(&none, c)...)
	}
	return ids
}

// Select are the clusters of an estate that a pattern is about: tag:NAME=VALUE, rg:PATTERN with * and ?, or a cluster's
// name, resourceGroup/name or id. Patterns and values count without case.
func Select(e *estate.Estate, pattern string) []*estate.Cluster {
	fits := func(c *estate.Cluster) bool { return c.Named(pattern) }
	if text, ok := strings.CutPrefix(pattern, "tag:"); ok {
		name, value, _ := strings.Cut(text, "=")
		fits = func(c *estate.Cluster) bool { v, ok := c.Tag(name); return ok && like(value, v) }
	} else if text, ok := strings.CutPrefix(pattern, "rg:"); ok {
		fits = func(c *estate.Cluster) bool { return like(text, c.ID.ResourceGroup()) }
	}
	return slices.DeleteFunc(slices.Clone(e.Clusters), func(c *estate.Cluster) bool { return !fits(c) })
}

func like(pattern, s string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(s))
	return ok && err == nil || strings.EqualFold(pattern, s)
}

// Label is a short name for what a pattern selects.
func Label(pattern string) string {
	if text, ok := strings.CutPrefix(pattern, "tag:"); ok {
		_, value, _ := strings.Cut(text, "=")
		return value
	}
	text, _ := strings.CutPrefix(pattern, "rg:")
	if id, err := azure.ParseID(text); err == nil {
		return id.Name()
	}
	return text
}
