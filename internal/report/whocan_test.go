package report

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/finding"
	"aksid/internal/whocan"
)

// TestWhoCan shows the three answers in every form.
func TestWhoCan(t *testing.T) {
	a, path := archive(t, "whocan")
	exports, _ := archive(t, "freight")
	e := load(t, exports)
	c := e.Clusters[0]
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	q := whocan.Question{Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: c.Subnets()[0]}
	asked, controls, billable := NewWhoCan(e, q.Scope, now), NewWhoCan(e, c.ID, now), NewWhoCan(e, c.ID, now)
	asked.Action, asked.Scope, asked.Principals = q.Action, q.Scope, whocan.NewAsker(e, q.Scope, now, 1).Ask(q)
	controls.Controls = whocan.NewAsker(e, c.ID, now, 1).Control(c)
	billable.Billable = whocan.NewAsker(e, c.ID, now, 0).Billable(c, finding.Billable)
	for name, r := range map[string]WhoCan{"action": asked, "identity": controls, "billable": billable} {
		for format, suffix := range map[string]string{"table": ".txt", "markdown": ".md", "json": ".json"} {
			var out strings.Builder
			if err := r.Print(&out, format, false); err != nil {
				t.Fatal(err)
			}
			golden(t, a, path, "golden/"+name+suffix, out.String())
		}
	}
}

// Nobody is an answer as well, and a hostile name steers no terminal.
func TestWhoCanNobody(t *testing.T) {
	exports, _ := archive(t, "freight")
	e := load(t, exports)
	r := NewWhoCan(e, e.Clusters[0].ID, time.Unix(0, 0))
	r.Action, r.Scope, r.Principals = "Microsoft.Fabric/capacities/write", e.Clusters[0].ID, []whocan.Person{}
	var out strings.Builder
	if err := r.Print(&out, "table", true); err != nil || !strings.Contains(out.String(), "Nobody can.") {
		t.Errorf("%v: %s", err, out.String())
	}
	fits(t, whoCanSchema, printed(t, r))
	r.Principals = []whocan.Person{{Name: "eve\x1b[2J", Paths: []whocan.Path{{Hops: []whocan.Hop{{Text: "a\x1b[2Jb"}}}}}}
	out.Reset()
	if err := r.Print(&out, "table", false); err != nil || strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("%v: %q", err, out.String())
	}
}
