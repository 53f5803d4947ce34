package finding

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The secret of a cluster's service principal ends when the last of its own and its application's ends.
func TestSecretEnds(t *testing.T) {
	f := readFixture(t, "testdata/service-principal.txtar")
	f.options.Now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct{ own, application, want string }{
		{"", "", "warning the cluster stops working when a secret expires"},
		{"2027-11-24T00:00:00Z", "", "warning the cluster stops working when its secret expires on 2027-11-24, in 364 days"},
		{"2026-12-01T00:00:00Z", "2027-11-24T00:00:00Z", "warning the cluster stops working when its secret expires on 2027-11-24, in 364 days"},
		{"2026-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "error the cluster stops working on 2026-12-01, in 6 days: its secret expires"},
		{"", "2026-11-01T00:00:00Z", "error the cluster's secret has expired on 2026-11-01: load balancers, disks, scaling and image pulls fail"},
	} {
		secrets := func(end string) string {
			if end == "" {
				return "[]"
			}
			return fmt.Sprintf(`[{"endDateTime": "2020-01-01T00:00:00Z"}, {"endDateTime": %q}]`, end)
		}
		for i, file := range f.archive.Files {
			if file.Name == "principal.json" {
				f.archive.Files[i].Data = []byte(`[{"id": "@pipeline", "appId": "@client-pipeline", "displayName": "freight-pipeline", "servicePrincipalType": "Application", "passwordCredentials": ` + secrets(c.own) + `},
					{"id": "a0000000-0000-0000-0000-000000000013", "appId": "@client-pipeline", "displayName": "freight-pipeline", "identifierUris": [], "passwordCredentials": ` + secrets(c.application) + `}]`)
			}
		}
		if got := show(f.check(t, false)); !strings.Contains(got, strings.Replace(c.want, " ", " service-principal\n  ", 1)+"\n") {
			t.Errorf("%q, %q: want %q of\n%s", c.own, c.application, c.want, got)
		}
	}
}
