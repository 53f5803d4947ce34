package report

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/governance"
)

// TestPolicyAudit shows an audit in every form.
func TestPolicyAudit(t *testing.T) {
	a, path := archive(t, "policy")
	e := load(t, a)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	choices := governance.Choices{IdentityGroups: []string{"rg-ids"}}
	r := NewPolicyAudit(e, now, governance.Audit(e, choices.OfPattern(), now), governance.Assigned(e, now))
	for format, suffix := range map[string]string{"table": ".txt", "markdown": ".md", "json": ".json"} {
		var out strings.Builder
		if err := r.Print(&out, format, false); err != nil {
			t.Fatal(err)
		}
		golden(t, a, path, "golden/audit"+suffix, out.String())
	}
}

// Nothing to audit is an answer as well, and a hostile name steers no terminal.
func TestPolicyAuditHostile(t *testing.T) {
	compile(t, policySchema) // load goes to another folder
	exports, _ := archive(t, "freight")
	r := NewPolicyAudit(load(t, exports), time.Now(), nil, nil)
	var out strings.Builder
	if err := r.Print(&out, "table", true); err != nil || !strings.Contains(out.String(), "No cluster") {
		t.Errorf("%v: %s", err, out.String())
	}
	fits(t, policySchema, printed(t, r))
	r.Rows = []governance.Row{{Cluster: azure.MustID("/subscriptions/s/resourceGroups/g/providers/x/y/z"), Title: "eve\x1b[2J", State: governance.Unknown, Why: "\x1b]0;x", Reasons: []governance.Reason{{Field: "\x1b"}}}}
	for _, format := range []string{"table", "markdown"} {
		out.Reset()
		if err := r.Print(&out, format, false); err != nil || strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("%s: %v: %q", format, err, out.String())
		}
	}
}
