package drift

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// fleet is an environment of clusters with these resourceGroup/name and tags, as in rg/name app=web.
func fleet(t *testing.T, name string, clusters ...string) Environment {
	t.Helper()
	dir := t.TempDir()
	for i, c := range clusters {
		id, tags, _ := strings.Cut(c, " ")
		group, short, _ := strings.Cut(id, "/")
		key, value, _ := strings.Cut(tags, "=")
		full := azure.SubscriptionID(subscription("one")).Join("resourceGroups", group).Resource(estate.TypeCluster, short)
		doc := fmt.Sprintf(`{"id": %q, "tags": {%q: %q}, "properties": {}}`, full, "x"+key, value)
		if key != "" {
			doc = strings.Replace(doc, `"x`+key, `"`+key, 1)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".json")), []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Environment{Name: name, Estate: e, Clusters: e.Clusters}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name string
		envs []Environment
		m    finding.Matching
		want string
	}{
		{"the only ones", []Environment{fleet(t, "a", "rg/blue"), fleet(t, "b", "rg/yellow")}, finding.Matching{}, "blue: blue yellow"},
		{"words for environments", []Environment{fleet(t, "a", "rg/aks-shop-test", "rg/aks-pay-t"), fleet(t, "b", "rg/prod-aks-shop", "rg/aks-pay-p")}, finding.Matching{},
			"aks-pay: aks-pay-t aks-pay-p; aks-shop: aks-shop-test prod-aks-shop"},
		{"the environment's own word", []Environment{fleet(t, "blue", "rg/shop-blue", "rg/pay-blue"), fleet(t, "green", "rg/shop-green", "rg/pay-green")}, finding.Matching{},
			"pay: pay-blue pay-green; shop: shop-blue shop-green"},
		{"the same at another time", []Environment{fleet(t, "before", "rg/a", "rg/b"), fleet(t, "after", "rg/b", "rg/a")}, finding.Matching{}, "a: a a; b: b b"},
		{"of one role at another time", []Environment{fleet(t, "before", "rg/shop-test", "rg/shop-prod"), fleet(t, "after", "rg/shop-test", "rg/shop-prod")}, finding.Matching{},
			"shop-prod: shop-prod shop-prod; shop-test: shop-test shop-test"},
		{"as the user says", []Environment{fleet(t, "a", "rg/one", "rg/two"), fleet(t, "b", "rg/uno", "rg/due")}, finding.Matching{Same: [][]string{{"one", "uno"}, {"two", "rg/due"}}},
			"one: one uno; two: two due"},
		{"a tag", []Environment{fleet(t, "a", "rg/one app=web", "rg/two app=pay"), fleet(t, "b", "rg/uno App=Pay", "rg/due APP=WEB")}, finding.Matching{RoleTag: "app"},
			"pay: two uno; web: one due"},
		{"without a counterpart", []Environment{fleet(t, "a", "rg/one", "rg/two"), fleet(t, "b", "rg/one")}, finding.Matching{}, "one: one one; two: two none"},
		{"two of one role", []Environment{fleet(t, "test", "rg1/shop", "rg2/shop"), fleet(t, "prod", "rg3/shop")}, finding.Matching{}, "shop: shop shop; shop: shop none"},
	} {
		var got []string
		for _, g := range match(c.envs, c.m) {
			line := g.Role + ":"
			for _, cluster := range g.Clusters {
				name := "none"
				if cluster != nil {
					name = cluster.ID.Name()
				}
				line += " " + name
			}
			got = append(got, line)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// A cluster that one environment lacks is told, and nothing else of it.
func TestAbsent(t *testing.T) {
	envs := []Environment{fleet(t, "a", "rg/one", "rg/two"), fleet(t, "b", "rg/one")}
	groups := Compare(envs, Options{})
	d := groups[0].Differences
	if len(groups) != 2 || len(groups[1].Differences) != 0 || len(d) != 1 || d[0].Area != Clusters || d[0].Values[0] != "rg/two" || d[0].Values[1] != "" {
		t.Errorf("%s", show(envs, groups))
	}
}

func TestSelect(t *testing.T) {
	e := fleet(t, "", "rg-shop-test/aks1 env=test", "rg-shop-prod/aks2 Env=PROD", "rg-pay-prod/aks3 env=production", "other/aks4").Estate
	for pattern, want := range map[string]string{
		"tag:env=prod": "aks2", "tag:ENV=prod*": "aks3 aks2", "tag:env=": "", "tag:": "", "rg:*-prod": "aks3 aks2", "rg:RG-shop-*": "aks2 aks1", "rg:[": "",
		"aks4": "aks4", "other/AKS4": "aks4", "aks5": "",
	} {
		var got []string
		for _, c := range Select(e, pattern) {
			got = append(got, c.ID.Name())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{"tag:env=prod": "prod", "rg:*-prod": "*-prod", "aks1": "aks1", "/subscriptions/a/resourceGroups/b/providers/Microsoft.ContainerService/managedClusters/aks9": "aks9"} {
		if got := Label(pattern); got != want {
			t.Errorf("%s is called %s", pattern, got)
		}
	}
}

// Registries are the environment's that may pull from them or that has them beside its clusters; what is nobody's is everyone's
// that has none.
func TestOwnRegistries(t *testing.T) {
	registry := func(group, name string) azure.ID {
		return azure.SubscriptionID(subscription("one")).Join("resourceGroups", group).Resource(estate.TypeRegistry, name)
	}
	test, prod, shared := registry("rg-test", "a"), registry("rg-prod", "b"), registry("rg-shared", "c")
	for _, c := range []struct {
		name  string
		named []azure.ID
		want  string
	}{
		{"none", nil, " | "},
		{"each its own", []azure.ID{test, prod}, "a | b"},
		{"one for all", []azure.ID{shared}, "c | c"},
		{"one has its own", []azure.ID{test, shared}, "a | c"},
		{"one alone", []azure.ID{test}, "a | a"},
	} {
		envs := []Environment{fleet(t, "test", "rg-test/aks"), fleet(t, "prod", "rg-prod/aks")}
		for _, e := range envs {
			e.Estate.Registries = c.named
		}
		var got []string
		for _, e := range ownRegistries(envs) {
			var names []string
			for _, id := range e.Estate.Registries {
				names = append(names, id.Name())
			}
			got = append(got, strings.Join(names, " "))
		}
		if text := strings.Join(got, " | "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}
