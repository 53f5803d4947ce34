package finding

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	e := readFixture(t, filepath.Join("testdata", "former-principal.txtar")).load(t, false)
	again := readFixture(t, filepath.Join("testdata", "identity-recreated.txtar")).load(t, false)
	for _, c := range []struct{ id, want string }{
		{"@control-plane", "live object id of the control plane identity id-freight-aks of cluster freight-prod"},
		{"@client-kubelet", "live client id of the kubelet identity freight-prod-agentpool of cluster freight-prod; role assignments take its object id"},
		{"$cluster", "live cluster freight-prod"},
		{"$nodes", "live node resource group of cluster freight-prod"},
		{"$agentpool", "live kubelet identity freight-prod-agentpool of cluster freight-prod"},
		{"@gone", "former object id of a principal that no longer exists and is left in 2 role assignments"},
		{"$registry", "other freightacr (rg-platform, Platform subscription)"},
		{"$platform", "other the Platform subscription"},
		{"11111111-1111-1111-1111-111111111111", "other subscription Platform"},
		{"4d97b98b-1d4f-4787-a291-c67834d212e7", "other role Network Contributor"},
		{"e0000000-0000-0000-0000-000000000000", "other role assignment: Owner on the Platform subscription"},
		{"@ada", "other object id of principal x"},
		{"dddddddd-0000-0000-0000-00000000000d", "unknown "},
		{"$subnet2", "unknown "},
	} {
		got := Identify(e, FindIDs(expand("x="+c.id+";")))
		if len(got) != 1 || string(got[0].Is)+" "+got[0].What != c.want {
			t.Errorf("%s: %+v, want %s", c.id, got, c.want)
		}
	}
	got := Identify(again, FindIDs(expand("@control-plane @team")))
	if len(got) != 2 || got[0].Is != Former || got[1].Is != Live {
		t.Errorf("an identity that was made anew: %+v", got)
	}
}

func TestFindIDs(t *testing.T) {
	const g = "a0000000-0000-0000-0000-000000000001"
	for text, want := range map[string]string{
		"":                             "",
		"no id, 1234-5678":             "",
		g:                              g,
		"x" + g:                        "", // part of a longer word
		g + "0":                        "",
		"(" + g + ")\n[" + g + "].":    g,
		"id=/subscriptions/" + g + ".": "/subscriptions/" + g,
		"/subscriptions/" + g + "/resourceGroups/rg/providers/a/b/c?api-version=1": "/subscriptions/" + g + "/resourceGroups/rg/providers/a/b/c",
		`"/subscriptions/` + g + `/resourceGroups/rg", ` + strings.ToUpper(g):      "/subscriptions/" + g + "/resourceGroups/rg " + strings.ToUpper(g),
	} {
		var got []string
		for _, m := range FindIDs(text) {
			got = append(got, m.ID)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: %q, want %q", text, s, want)
		}
	}
	m := FindIDs("\n\n" + g + "\n" + g + "\n")
	if len(m) != 1 || m[0].Line != 3 || m[0].Times != 2 {
		t.Errorf("%+v", m)
	}
}

func FuzzFindIDs(f *testing.F) {
	f.Add("/subscriptions/a0000000-0000-0000-0000-000000000001/x a0000000-0000-0000-0000-000000000001")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range FindIDs(text) {
			if !strings.Contains(text, m.ID) || m.Times < 1 || m.Line < 1 || m.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%+v is not in the text", m)
			}
		}
	})
}
