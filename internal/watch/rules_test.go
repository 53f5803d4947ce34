package watch

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"aksid/internal/kql"
)

// Every kind has an alert and a query, or nothing in a log tells of it.
func TestKindsAreRuled(t *testing.T) {
	for _, k := range Kinds() {
		alerted := slices.ContainsFunc(alertRows, func(r alertRow) bool { return slices.Contains(r.kinds, k.Name) })
		asked := slices.ContainsFunc(queryRows, func(r queryRow) bool { return r.kind == k.Name })
		if unruled := slices.Contains(unruled, k.Name); alerted == unruled {
			t.Errorf("%s: alert %v, unruled %v", k.Name, alerted, unruled)
		} else if k.Name != "break-glass-ended" && asked == unruled { // whose removal names nobody: role-removed finds it
			t.Errorf("%s: query %v, unruled %v", k.Name, asked, unruled)
		}
	}
	for _, r := range alertRows {
		if len(r.operations()) == 0 && r.where != byIdentities {
			t.Errorf("%s is about no operation", r.name)
		}
	}
}

func TestRules(t *testing.T) {
	w := newWorld(t)
	e, err := w.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, _ := w.Load(t.Context())
	files := Rules(e)
	if !slices.Equal(files, Rules(again)) {
		t.Error("the same estate gives other rules")
	}
	alerts := map[string]int{}
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Name, ".kql"):
			if _, err := kql.Parse(f.Text); err != nil {
				t.Errorf("%s: %v\n%s", f.Name, err, f.Text)
			}
		case strings.HasSuffix(f.Name, ".json"):
			var made struct {
				Resources []struct {
					Name       string
					Properties struct{ Scopes []string }
				}
			}
			if err := json.Unmarshal([]byte(f.Text), &made); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			for _, r := range made.Resources {
				alerts[r.Name]++
				for _, s := range r.Properties.Scopes {
					if !strings.Contains(f.Name, strings.Split(s, "/")[2]) {
						t.Errorf("%s: alert %s is about %s, elsewhere", f.Name, r.Name, s)
					}
				}
			}
		}
	}
	// What is about a cluster or its identities is in their subscription, the rest in the other one too.
	want := map[string]int{"aksid-role-changes": 2, "aksid-role-definitions": 2, "aksid-refused": 2, "aksid-identities": 1, "aksid-cluster-access": 1, "aksid-cluster-writes": 1}
	for name, n := range want {
		if alerts[name] != n {
			t.Errorf("%d alerts %s, want %d", alerts[name], name, n)
		}
	}
}
