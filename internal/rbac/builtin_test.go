package rbac

import (
	"strings"
	"testing"
)

func TestBuiltInRolesAreCompleteAndFound(t *testing.T) {
	n := 0
	for r := range BuiltInRoles() {
		n++
		for _, spelling := range []string{r.Name, strings.ToUpper(r.Name), strings.ToLower(r.Name), r.ID.String(), strings.ToUpper(r.ID.String()), r.ID.Hex()} {
			if got, ok := BuiltInRole(spelling); !ok || got != r {
				t.Errorf("BuiltInRole(%q) = %v, %v; want %s", spelling, got, ok, r.Name)
			}
		}
	}
	if n != 928 {
		t.Errorf("%d built-in roles, want 928", n)
	}
}

func BenchmarkReadBuiltInRoles(b *testing.B) {
	for b.Loop() {
		if _, err := readRoles(builtInTable); err != nil {
			b.Fatal(err)
		}
	}
}
