package act

import (
	"strings"
	"testing"
)

// Services are told apart, are the same in every run, and their load balancers' names are too.
func TestServiceUID(t *testing.T) {
	seen := map[string]bool{}
	for _, cluster := range []string{"/c", "/d"} {
		for _, name := range []string{"a", "b", "drill-external", "drill-second"} {
			uid := ServiceUID(cluster, name)
			lb := LoadBalancerName(uid)
			if uid != ServiceUID(cluster, name) || len(uid) != 36 || seen[lb] || len(lb) != 32 || !strings.HasPrefix(lb, "a"+uid[:8]) {
				t.Errorf("%s in %s: %s, %s", name, cluster, uid, lb)
			}
			seen[lb] = true
		}
	}
	if got := LoadBalancerName("12"); got != "a12" {
		t.Errorf("of a short id: %s", got)
	}
}
