package failure

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// sample is a text as somebody met it, with what can be read from it.
type sample struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Expect struct {
		Kind         Kind     `json:"kind"`
		Code         string   `json:"code"`
		ImpliedCode  string   `json:"impliedCode"`
		ObjectID     string   `json:"objectId"`
		Client       string   `json:"client"`
		Actions      []string `json:"actions"`
		Scopes       []string `json:"scopes"`
		LinkedScopes []string `json:"linkedScopes"`
		Actor        Actor    `json:"actor"`
		ActorAlt     []Actor  `json:"actorAlt"`
	} `json:"expect"`
}

func samples(t testing.TB) []sample {
	t.Helper()
	f, err := os.Open("testdata/samples.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []sample
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) != 138 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// score counts right answers by field.
type score map[string][2]int

func (s score) add(field string, right bool) {
	n := s[field]
	n[1]++
	if right {
		n[0]++
	}
	s[field] = n
}

func (s score) log(t *testing.T, name string) (worst float64) {
	t.Helper()
	worst = 1
	var b strings.Builder
	for _, field := range slices.Sorted(maps.Keys(s)) {
		n := s[field]
		ratio := float64(n[0]) / float64(n[1])
		worst = min(worst, ratio)
		b.WriteString("  " + field + " " + frac(n))
	}
	t.Logf("%s:%s", name, b.String())
	return worst
}

func frac(n [2]int) string {
	b, _ := json.Marshal(n[0])
	c, _ := json.Marshal(n[1])
	return string(b) + "/" + string(c)
}

// grade compares a failure with what is expected, field by field. same compares single values.
func (s sample) grade(f Failure, score score, same func(a, b string) bool) (wrong []string) {
	e := s.Expect
	check := func(field string, right bool) {
		score.add(field, right)
		if !right {
			wrong = append(wrong, field)
		}
	}
	equal := func(a, b []string) bool { return slices.EqualFunc(a, b, same) }
	check("kind", f.Kind == e.Kind)
	if want := first(e.Code, e.ImpliedCode); want != "" {
		check("code", same(f.Code, want) || e.Code == "" && f.Code == "")
	}
	check("actor", f.Actor == e.Actor || slices.Contains(e.ActorAlt, f.Actor))
	if e.ObjectID != "" {
		check("objectId", same(f.ObjectID, e.ObjectID))
	}
	if e.Client != "" {
		check("client", same(f.Client, e.Client))
	}
	if e.Kind != Condition { // the text does not tell whether the action is what is missing
		check("actions", equal(f.Actions, e.Actions))
	}
	check("scopes", equal(f.Scopes, e.Scopes))
	check("linkedScopes", equal(f.LinkedScopes, e.LinkedScopes))
	if e.Kind != Unknown { // which may be undecidable
		check("identityRelated", f.IdentityRelated == e.Kind.BlamesIdentity())
	}
	return wrong
}

// TestSamples reads each sample as it is: every field of every one is right.
func TestSamples(t *testing.T) {
	total := score{}
	exact := [2]int{}
	for _, s := range samples(t) {
		failures := ParseString(s.Text)
		if len(failures) == 0 {
			failures = []Failure{{}}
		}
		if wrong := s.grade(failures[0], total, func(a, b string) bool { return a == b }); len(wrong) > 0 {
			t.Errorf("%s: wrong %v: %+v", s.ID, wrong, failures[0])
		}
		exact[1]++
		if failures[0].Actor == s.Expect.Actor {
			exact[0]++
		}
	}
	total.log(t, "samples")
	t.Logf("actor exactly as named first: %s", frac(exact))
}
