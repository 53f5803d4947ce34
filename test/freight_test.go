package test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFreightNetwork builds a whole network with the real az, checks it, and removes it without a trace.
func TestFreightNetwork(t *testing.T) {
	c := newAz(t)
	script := func(name string) {
		t.Helper()
		began := time.Now()
		if r := c.exec(t, "", "bash", filepath.Join(here(), "testdata", "freight", name)); r.code != 0 {
			t.Fatalf("%s: exit code %d\n%s%s", name, r.code, r.stdout, r.stderr)
		}
		t.Logf("%s took %s", name, time.Since(began).Round(time.Second))
	}
	operator := c.assignments(t)
	script("build.sh")
	c.checkFreight(t)
	script("remove.sh")
	for _, sub := range []string{"Hub", "Platform"} {
		if left := c.ok(t, "resource", "list", "--subscription", sub, "--query", "[].id", "--output", "tsv"); left != "" {
			t.Errorf("left in %s:\n%s", sub, left)
		}
		if left := c.ok(t, "group", "list", "--subscription", sub, "--query", "[].name", "--output", "tsv"); left != "" {
			t.Errorf("groups left in %s: %s", sub, left)
		}
	}
	if left := c.assignments(t); left != operator {
		t.Errorf("role assignments left:\n%s\nwant\n%s", left, operator)
	}
}

// checkFreight finds nothing in the network as it is, and what is missing when a role is taken away.
func (c *azCloud) checkFreight(t *testing.T) {
	t.Helper()
	check := []string{"check", "--from", "local", "--all-subscriptions", "--fail-on", "warning"}
	if r := c.run(t, check...); r.code != 0 || strings.Count(r.stdout, "freight-") == 0 {
		t.Errorf("as built: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	test := c.ok(t, "identity", "show", "--subscription", "Platform", "-g", "rg-freight", "-n", "id-test", "--query", "principalId", "-o", "tsv")
	c.ok(t, "role", "assignment", "delete", "--assignee", test, "--role", "Network Contributor", "--scope",
		c.ok(t, "network", "route-table", "show", "--subscription", "Hub", "-g", "rg-hub", "-n", "rt-freight", "--query", "id", "-o", "tsv"))
	if r := c.run(t, check...); r.code != 1 || !strings.Contains(r.stdout, "freight-test") || !strings.Contains(r.stdout, "rt-freight") {
		t.Errorf("without a role on the route table: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// assignments are all role assignments of both subscriptions.
func (c *azCloud) assignments(t *testing.T) string {
	t.Helper()
	var all []string
	for _, sub := range []string{"Hub", "Platform"} {
		all = append(all, c.ok(t, "role", "assignment", "list", "--all", "--subscription", sub, "--query", "sort_by([],&id)[].id", "--output", "tsv"))
	}
	return strings.Join(all, "\n")
}
