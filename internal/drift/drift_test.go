package drift

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
)

var update = flag.Bool("update", false, "rewrite what is wanted")

// Cases are archives: files of base are those of every environment, files of NAME/ are NAME's own in their place. {env}
// stands for the environment's name, {sub} and {hub} for its subscriptions, @name for an object id of its own. A file named
// grants has lines PRINCIPAL ROLE on SCOPE; "unlisted" names subscriptions whose grants are not there; "removed", files of base.

// expand fills in what is an environment's own.
func expand(env, s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '@')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		name := s[i+1:]
		if j := strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' }); j >= 0 {
			name = name[:j]
		}
		b.WriteString(azure.NamedGUID("object", env, name).String())
		s = s[i+1+len(name):]
	}
	b.WriteString(s)
	r := strings.NewReplacer("{env}", env, "{sub}", subscription(env), "{hub}", subscription(env+" hub"))
	return r.Replace(b.String())
}

func subscription(of string) string { return azure.NamedGUID("subscription", of).String() }

// grants are the role assignments of a file, as az lists them, by subscription. Somebody else has a role in each, so that the
// list is seen to be a whole one.
func grants(t *testing.T, env, text string) map[string][]any {
	t.Helper()
	out := map[string][]any{}
	for _, sub := range []string{subscription(env), subscription(env + " hub")} {
		text += fmt.Sprintf("@somebody Reader on /subscriptions/%s\n@another Reader on /subscriptions/%s\n", sub, sub)
	}
	for _, line := range strings.Split(strings.TrimSpace(expand(env, text)), "\n") {
		who, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		role, scope, ok := strings.Cut(rest, " on ")
		r, known := rbac.BuiltInRole(role)
		id, err := azure.ParseID(scope)
		if !ok || !known || err != nil {
			t.Fatalf("grant %q: %v %v %v", line, ok, known, err)
		}
		sub := id.Subscription()
		if sub == "" {
			sub = subscription(env)
		}
		out[sub] = append(out[sub], map[string]any{
			"id": id.Resource("Microsoft.Authorization/roleAssignments", azure.NamedGUID(env, line).String()).String(), "principalId": who, "principalName": who + "-name",
			"principalType": "ServicePrincipal", "scope": scope, "roleDefinitionId": "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/" + r.ID.String(),
		})
	}
	return out
}

// files are the files of an environment of a case.
func files(a *txtar.Archive, env string) map[string]string {
	out := map[string]string{}
	for _, dir := range []string{"base", env} {
		for _, f := range a.Files {
			if name, ok := strings.CutPrefix(f.Name, dir+"/"); ok {
				out[name] = string(f.Data)
			}
		}
		for _, name := range strings.Fields(out["removed"]) {
			delete(out, name)
		}
	}
	delete(out, "removed")
	return out
}

// load reads an environment of a case.
func load(t *testing.T, a *txtar.Archive, env, as string) Environment {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := files(a, env)
	for sub, list := range grants(t, as, all["grants"]) {
		if text, _ := json.Marshal(list); !strings.Contains(expand(as, all["unlisted"]), sub) {
			put("grants-"+sub+".json", text)
		}
	}
	for name, text := range all {
		if strings.HasSuffix(name, ".json") && name != "kube.json" {
			put(name, []byte(expand(as, text)))
		}
	}
	e, err := estate.Files{Path: dir}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range e.Resources(estate.TypeRegistry) {
		if strings.Contains(string(all["registries"]), "all") {
			e.Registries = append(e.Registries, r.ID)
		}
	}
	e.From = env
	if text, ok := all["kube.json"]; ok {
		kube := filepath.Join(t.TempDir(), "kube.json")
		if err := os.WriteFile(kube, []byte(expand(as, text)), 0o600); err != nil {
			t.Fatal(err)
		}
		objects, err := estate.ReadKube(kube)
		if err != nil {
			t.Fatal(err)
		}
		e.AddKube(e.Clusters[0], objects)
	}
	return Environment{Name: env, Estate: e, Clusters: e.Clusters}
}

// cases are the archives with the base of base.txtar put before their own files.
func cases(t *testing.T) map[string]*txtar.Archive {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txtar")
	paths, _ := filepath.Glob("testdata/case-*.txtar")
	if err != nil || len(paths) < 10 {
		t.Fatal(len(paths), err)
	}
	out := map[string]*txtar.Archive{}
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		a.Files = append(slices.Clone(base.Files), a.Files...)
		out[p] = a
	}
	return out
}

// named are the environments of a case, in the order in which it has them.
func named(a *txtar.Archive) []string {
	for _, f := range a.Files {
		if f.Name == "environments" {
			return strings.Fields(string(f.Data))
		}
	}
	return []string{"test", "prod"}
}

// show prints groups shortly, ids put back.
func show(envs []Environment, groups []Group) string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%s:", g.Role)
		for _, c := range g.Clusters {
			name := "none"
			if c != nil {
				name = c.ID.Name()
			}
			fmt.Fprintf(&b, " %s", name)
		}
		b.WriteString("\n")
		for _, x := range g.Breaks {
			when := "will break in"
			if x.Now {
				when = "fails in"
			}
			fmt.Fprintf(&b, "%s %s %s: %s (%s)\n  %s\n", x.Severity, when, envs[x.In].Name, x.Title, x.Rule, x.Detail)
			for _, change := range x.Remedy {
				switch change := change.(type) {
				case estate.Assign:
					fmt.Fprintf(&b, "  $ %s on %s\n", change.Role, change.Scope.Name())
				case estate.Federate:
					fmt.Fprintf(&b, "  $ %s trusts %s\n", change.Identity.Name(), change.Subject)
				}
			}
		}
		for _, d := range g.Differences {
			told := ""
			if d.Told {
				told = " (told)"
			}
			fmt.Fprintf(&b, "%s %s: %s: %s%s\n", d.Severity, d.Area, d.What, strings.Join(d.Values, " | "), told)
		}
		for _, u := range g.Unknown {
			fmt.Fprintf(&b, "unknown in %s: %s (%s)\n", envs[u.In].Name, u.What, u.Why)
		}
	}
	text := b.String()
	for _, e := range envs {
		text = strings.NewReplacer(subscription(e.Name+" hub"), "HUB", subscription(e.Name), "SUB").Replace(text)
	}
	return text
}

func TestCases(t *testing.T) {
	for path, a := range cases(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var envs []Environment
			for _, name := range named(a) {
				envs = append(envs, load(t, a, name, name))
			}
			var o Options
			for _, f := range a.Files {
				if f.Name == "aksid.yaml" {
					tuning, err := finding.ParseTuning(f.Data)
					if err != nil {
						t.Fatal(err)
					}
					o.Check.Tuning, o.Match = tuning, tuning.Match
				}
			}
			got := show(envs, Compare(envs, o))
			if again := show(envs, Compare(envs, o)); again != got {
				t.Errorf("the second time:\n%s\nthe first:\n%s", again, got)
			}
			compare(t, path, got)
		})
	}
}

// compare compares with what the case wants, or with -update writes it.
func compare(t *testing.T, path, got string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "wanted" })
	if *update {
		if i < 0 {
			a.Files = append(a.Files, txtar.File{Name: "wanted"})
			i = len(a.Files) - 1
		}
		a.Files[i].Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if i < 0 || string(a.Files[i].Data) != got {
		t.Errorf("got:\n%s", got)
	}
}

// An estate is no different from itself, nor from one that is the same under other names and ids.
func TestSameIsSame(t *testing.T) {
	for path, a := range cases(t) {
		for _, name := range named(a) {
			one := load(t, a, name, name)
			other := load(t, a, name, "staging")
			other.Name, other.Estate.From = "staging", "staging"
			for _, envs := range [][]Environment{{one, one}, {one, other}, {other, one, other}} {
				for _, g := range Compare(envs, Options{}) {
					if len(g.Breaks)+len(g.Differences) > 0 {
						t.Errorf("%s: %s and its like differ:\n%s", path, name, show(envs, []Group{g}))
					}
				}
			}
		}
	}
}

// What one environment has and the other lacks is told whichever is named first: as a break where it comes later.
func TestTurnedAround(t *testing.T) {
	for path, a := range cases(t) {
		names := named(a)
		if len(names) != 2 {
			continue
		}
		envs := []Environment{load(t, a, names[0], names[0]), load(t, a, names[1], names[1])}
		turned := []Environment{envs[1], envs[0]}
		there, back := Compare(envs, Options{}), Compare(turned, Options{})
		if x, y := now(there), now(back); !slices.Equal(x, y) {
			t.Errorf("%s: fails now %v, turned around %v", path, x, y)
		}
		if x, y := differing(there), differing(back); !slices.Equal(x, y) {
			t.Errorf("%s: differ %v, turned around %v", path, x, y)
		}
	}
}

func now(groups []Group) (out []string) {
	for _, g := range groups {
		for _, b := range g.Breaks {
			if b.Now {
				out = append(out, b.Rule+" "+b.Title)
			}
		}
	}
	slices.Sort(out)
	return out
}

func differing(groups []Group) (out []string) {
	for _, g := range groups {
		for _, d := range g.Differences {
			values := slices.Clone(d.Values)
			slices.Sort(values)
			out = append(out, fmt.Sprint(d.Area, d.What, values))
		}
	}
	slices.Sort(out)
	return out
}

// What is said to break is what check finds once the release is there: the clusters of the one environment with the roles of the
// other. Nothing else breaks then.
func TestPredictionsComeTrue(t *testing.T) {
	predicted := 0
	for path, a := range cases(t) {
		names := named(a)
		from, to := names[0], names[len(names)-1]
		envs := []Environment{load(t, a, from, from), load(t, a, to, to)}
		groups := Compare(envs, Options{})
		want := map[string]bool{}
		for _, b := range groups[0].Breaks {
			if b.In == 1 && b.Severity == finding.Error {
				want[b.Rule] = true
				if !b.Now {
					predicted++
				}
			}
		}
		moved := func(d Difference) bool { return d.Area == Identities || d.What == "virtual network" }
		if len(groups[0].Unknown) > 0 || slices.ContainsFunc(groups[0].Differences, moved) {
			continue // a release brings features; it moves no network and no identity
		}
		there := released(t, a, from, to)
		got := map[string]bool{}
		for _, f := range finding.Check(there.Estate, there.Clusters[0]).Findings {
			if f.Severity == finding.Error {
				got[f.Rule.ID] = true
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: once the release is there %v fails, predicted was %v", path, got, want)
		}
	}
	if predicted < 4 {
		t.Errorf("%d predictions", predicted)
	}
}

// released is an environment after the clusters of another have come there: with their documents, its own names and its own roles.
func released(t *testing.T, a *txtar.Archive, from, to string) Environment {
	t.Helper()
	all, own := files(a, from), files(a, to)
	for _, name := range []string{"grants", "unlisted", "registry.json", "registries"} {
		if delete(all, name); own[name] != "" {
			all[name] = own[name]
		}
	}
	b := &txtar.Archive{}
	for name, text := range all {
		b.Files = append(b.Files, txtar.File{Name: "base/" + name, Data: []byte(text)})
	}
	return load(t, b, to, to)
}
