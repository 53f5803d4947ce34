package finding

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseTuning(t *testing.T) {
	const whole = "accept: [{rule: wide-scope, reason: r, owner: o, until: 2027-01-31"
	for _, c := range []struct{ text, says string }{
		{"", ""},
		{"severity: {near-limit: note, wide-scope: off}\n", ""},
		{whole + "}]", ""},
		{whole + ", scope: /subscriptions/s, principal: a0000000-0000-0000-0000-000000000001, cluster: rg/c}]", ""},
		{"severity: {near-limits: note}", `there is no rule "near-limits"`},
		{"severity: {near-limit: fatal}", `"fatal" is none of error, warning, note and off`},
		{"severities: {}", "field severities not found"},
		{"accept: [{rule: wide-scope, owner: o, until: 2027-01-31}]", "number 1: wide-scope: it takes a reason, an owner and until"},
		{"accept: [{rule: wide-scope, reason: r, owner: o}]", "it takes a reason, an owner and until"},
		{"accept: [{rule: wide-scope, reason: r, owner: o, until: tomorrow}]", `"tomorrow" is not a day`},
		{"accept: [{rule: x, reason: r, owner: o, until: 2027-01-31}]", `there is no rule "x"`},
		{whole + ", scope: subnet}]", `id "subnet" does not begin with /`},
		{whole + ", principal: ada}]", `"ada" is not a GUID`},
		{"accept: [\n", "did not find"},
		{"severity: {}\n---\nseverity: {}\n", "more than one document"},
		{strings.Repeat("#", MaxTuning+1), "larger than 1024 KiB"},
		{"a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n", "not found"},
	} {
		_, err := ParseTuning([]byte(c.text))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.80q: %v, want %q", c.text, err, c.says)
		}
	}
}

// An acceptance counts to the end of its last day, for what it names and nothing else.
func TestAcceptance(t *testing.T) {
	f := readFixture(t, filepath.Join("testdata", "registry-admin-user.txtar"))
	e := f.load(t, false)
	for _, c := range []struct {
		members, now   string
		open, accepted int
	}{
		{"until: 2027-01-31", "2027-01-31T23:59:00Z", 0, 1},
		{"until: 2027-01-31", "2027-02-01T00:00:00Z", 2, 0}, // and that it has expired
		{"until: 2027-01-31, cluster: rg-platform/freight-prod", "2027-01-01T00:00:00Z", 0, 1},
		{"until: 2027-01-31, cluster: freight-test", "2027-01-01T00:00:00Z", 1, 0},
		{"until: 2027-01-31, cluster: freight-test", "2028-01-01T00:00:00Z", 1, 0},
		{"until: 2027-01-31, scope: $registry", "2027-01-01T00:00:00Z", 0, 1},
		{"until: 2027-01-31, scope: $hub", "2027-01-01T00:00:00Z", 1, 0},
		{"until: 2027-01-31, principal: '@kubelet'", "2027-01-01T00:00:00Z", 1, 0},
	} {
		tuning, err := ParseTuning([]byte(expand("accept: [{rule: registry-admin-user, reason: r, owner: o, " + c.members + "}]")))
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		r := Options{Tuning: tuning, Now: now}.Check(e, e.Clusters[0])
		if len(r.Findings) != c.open || len(r.Accepted) != c.accepted {
			t.Errorf("%s at %s: %d open, %d accepted", c.members, c.now, len(r.Findings), len(r.Accepted))
		}
	}
}

func TestSeverityIsTuned(t *testing.T) {
	e := readFixture(t, filepath.Join("testdata", "registry-admin-user.txtar")).load(t, false)
	for text, want := range map[string]Severity{"error": Error, "off": ""} {
		tuning, err := ParseTuning([]byte("severity: {registry-admin-user: " + text + "}"))
		if err != nil {
			t.Fatal(err)
		}
		var got Severity
		for _, f := range (Options{Tuning: tuning}).Check(e, e.Clusters[0]).Findings {
			got = f.Severity
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzParseTuning(f *testing.F) {
	for _, path := range []string{"testdata/expired-acceptance.txtar"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("accept: [{rule: wide-scope, reason: r, owner: o, until: 2027-01-31}]"))
	f.Add([]byte("a: &a\n  b: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tuning, err := ParseTuning(text)
		if (tuning == nil) == (err == nil) {
			t.Errorf("%v and %v", tuning, err)
		}
	})
}
