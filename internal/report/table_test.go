package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

func print(t *testing.T, p Table, r Result) string {
	t.Helper()
	return r.report().print(t, "table", p)
}

func TestTable(t *testing.T) {
	principal := azure.MustGUID("3f0c19e2-0000-0000-0000-000000000001")
	granted := []Requirement{{Status: finding.Granted}}
	many := make([]Assignment, maxRoles+2)
	for i := range many {
		many[i] = Assignment{Role: "Reader", place: "resource group g"}
	}
	for _, c := range []struct {
		name string
		r    Result
		want string
	}{
		{"no clusters", Result{Complete: true}, "No clusters.\n\n0 errors. Everything was readable.\n"},
		{"all granted", Result{Complete: true, Clusters: []Cluster{{Name: "c", ResourceGroup: "g", SubscriptionName: "S", Requirements: slices.Repeat(granted, 3)}}},
			"c · g · S subscription\n\nIdentities\n  none that the cluster's document names\n\n✓ All 3 things that it needs are granted.\n\n0 errors. Everything was readable.\n"},
		{"one granted", Result{Complete: true, Clusters: []Cluster{{Name: "c", ResourceGroup: "g", SubscriptionName: "S", Requirements: granted}}},
			"✓ The one thing that it needs is granted.\n"},
		{"perhaps needed", Result{Complete: true, Clusters: []Cluster{{Name: "c", Requirements: append(granted, Requirement{Status: finding.Unknown, Needed: catalogue.Maybe})}}},
			"✓ 1 of the 2 things that it needs or may need are granted.\n"},
		{"nothing needed", Result{Complete: true, Clusters: []Cluster{{Name: "c"}}}, "✓ Nothing that was looked at needs a role.\n"},
		{"several clusters", Result{Complete: true, Clusters: []Cluster{{Name: "c", Findings: []Finding{{Severity: finding.Warning}}}, {Name: "d", Findings: []Finding{{Severity: finding.Warning}}}}},
			"2 clusters: 0 errors, 2 warnings. Everything was readable.\n"},
		{"identities", Result{Complete: true, Clusters: []Cluster{{Identities: []Identity{
			{label: "control plane", Kind: estate.SystemAssigned, Name: "c", PrincipalID: &principal, Assignments: []Assignment{
				{Role: "Contributor", place: "resource group MC", ByAKS: true}, {Role: "Owner", place: "s (g)", Via: "team", Condition: "x"}}},
			{label: "kubelet", Kind: estate.UserAssigned, Name: "c-agentpool", PrincipalID: &principal},
			{label: "service principal", Kind: estate.ServicePrincipalSecret, Name: "x"},
		}}}},
			"  control plane       system-assigned  c             principal 3f0c19e2-…\n" +
				"                      Contributor on MC (granted by AKS)\n" +
				"                      Owner on s (g) (through group team, under a condition)\n" +
				"  kubelet             user-assigned    c-agentpool   principal 3f0c19e2-…\n" +
				"                      no roles\n" +
				"  service principal   with a secret    x             principal not known\n"},
		{"many roles", Result{Complete: true, Clusters: []Cluster{{Identities: []Identity{{PrincipalID: &principal, Assignments: many}}}}},
			"Reader on g\n                  and 2 more; -o json has them all\n"},
		{"findings", Result{Complete: true, Clusters: []Cluster{{Findings: []Finding{
			{Rule: "a-rule", Severity: finding.Error, Title: "it breaks", Detail: "because", Remedy: Remedy{Az: []string{"az x", "az y"}}},
			{Rule: "b-rule", Severity: finding.Note, Title: "it is"},
			{Rule: "c-rule", Severity: finding.Error, Title: "it " + strings.Repeat("very ", 20) + "breaks"},
		}}}},
			"What breaks\n  ✗ it breaks" + strings.Repeat(" ", 57) + "   a-rule\n    because\n    az x\n    az y\n  ✗ it " + strings.Repeat("very ", 20) + "breaks   c-rule\n\nWhat to look at\n  · it is   b-rule\n\n2 errors, 1 note."},
		{"unread", Result{Incomplete: []estate.Incomplete{{What: "assignments", Why: "403", Right: "a/read"}, {What: "names", Why: "500"}}},
			"What could not be read\n  ? assignments (403)\n    it takes a/read\n  ? names (500)\n\n0 errors. 2 reads failed.\n"},
	} {
		if got := print(t, Table{}, c.r); !strings.Contains(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestTableColour(t *testing.T) {
	r := Result{Complete: true, Clusters: []Cluster{{Name: "c", Findings: []Finding{
		{Rule: "r", Severity: finding.Error, Title: "t"}, {Rule: "r", Severity: finding.Warning, Title: "t"}}}}}
	coloured := print(t, Table{Colour: true}, r)
	for _, want := range []string{"\x1b[1mc\x1b[0m", "\x1b[31m✗\x1b[0m", "\x1b[33m!\x1b[0m", "\x1b[2mr\x1b[0m"} {
		if !strings.Contains(coloured, want) {
			t.Errorf("%q is not in %q", want, coloured)
		}
	}
	if plain := print(t, Table{}, r); strings.Contains(plain, "\x1b") {
		t.Errorf("colour without being asked for: %q", plain)
	}
}

// Names are others' to choose: they do not steer the terminal, in colour or without.
func TestTableIsSafe(t *testing.T) {
	evil := "x\x1b]0;owned\x07\x1b[2J\u202etxt\u0085\r\n"
	r := Result{From: evil, Incomplete: []estate.Incomplete{{What: evil, Why: evil, Right: evil}}, Clusters: []Cluster{{
		Name: evil, ResourceGroup: evil, SubscriptionName: evil, Location: evil,
		Identities: []Identity{{Name: evil, label: evil, Assignments: []Assignment{{Role: evil, place: evil, Via: evil}}}},
		Findings:   []Finding{{Rule: "r", Severity: finding.Error, Title: evil, Detail: evil, Remedy: Remedy{Az: []string{evil}}}},
	}}}
	for _, colour := range []bool{false, true} {
		got := print(t, Table{Colour: colour}, r)
		for _, bad := range []string{"\x1b]", "\x1b[2J", "\x07", "\u202e", "\u0085", "\r"} {
			if strings.Contains(got, bad) {
				t.Errorf("colour %v: %q is in %q", colour, bad, got)
			}
		}
	}
}

func TestTableTook(t *testing.T) {
	if got := print(t, Table{Took: func() time.Duration { return 412 * time.Millisecond }}, Result{Complete: true}); !strings.HasSuffix(got, "Everything was readable. 0.4 s\n") {
		t.Errorf("%q", got)
	}
}

// One cause is told at one cluster; the others say where. Each person's format does so, and it counts once.
func TestSharedCauseIsToldOnce(t *testing.T) {
	a, _ := archive(t, "shared")
	r := check(t, a, "freightacr")
	for _, format := range []string{"table", "markdown", "html", "junit", "sarif"} {
		out := r.print(t, format, Table{})
		if n := strings.Count(out, "az acr update --admin-enabled false"); n != 1 && format != "sarif" {
			t.Errorf("%s tells %d times how to mend it:\n%s", format, n, out)
		}
		if !strings.Contains(out, "the same cause as at cluster freight-prod") {
			t.Errorf("%s does not say where it is told:\n%s", format, out)
		}
	}
	result, tally := r.Result()
	if tally.Findings[finding.Note] != 1 {
		t.Errorf("it counts %d times", tally.Findings[finding.Note])
	}
	if first, second := result.Clusters[0].Findings[0], result.Clusters[1].Findings[0]; first.SameAs != nil || second.SameAs == nil || second.Detail != first.Detail {
		t.Errorf("first %+v, second %+v", first, second)
	}
}
