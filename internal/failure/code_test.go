package failure

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

func TestCodesAreComplete(t *testing.T) {
	kinds := []Kind{MissingAction, LinkedScope, DenyAssignment, Condition, FederationMismatch, InvalidClient, ExpiredSecret, IdentityNotFound,
		PrincipalNotFound, PullUnauthorized, PullForbidden, PolicyDenied, Quota, NotIdentity, Unknown}
	said := map[string]string{}
	for _, c := range codes {
		if c.Name == "" || c.Means == "" || c.Advice == "" || c.Source == "" || !slices.Contains(kinds, c.Kind) {
			t.Errorf("%s lacks its name, meaning, advice, source or kind", c.Name)
		}
		for _, text := range []string{c.Means, c.Not, c.Advice} {
			if text != "" && !strings.HasSuffix(strings.TrimRight(text, `"”`), ".") {
				t.Errorf("%s: %q is no sentence", c.Name, text)
			}
		}
		if c.Rank != Wrapper && c.Kind != Quota && c.Not == "" {
			t.Errorf("%s does not say what it is not", c.Name)
		}
		for _, s := range c.Says {
			if other := said[s]; other != "" && other != c.Name {
				t.Errorf("%q is said by %s and %s", s, other, c.Name)
			}
			said[s] = c.Name
		}
		if rows := Lookup(strings.ToUpper(c.Name)); !slices.Contains(rows, c) {
			t.Errorf("%s is not found by its name", c.Name)
		}
	}
	if Lookup("no such code") != nil {
		t.Error("a code was found that is not there")
	}
}

// TestCodesByName: each code is recognised where it is printed.
func TestCodesByName(t *testing.T) {
	for _, c := range codes {
		for _, name := range append([]string{c.Name}, c.Also...) {
			if c.NoCode || name[0] < 'A' || name[0] > 'Z' || strings.Contains(name, " ") {
				continue
			}
			for _, text := range []string{
				`StatusCode=400 -- Original Error: Code="` + name + `" Message="something"`,
				`{"error":{"code":"` + name + `","message":"something"}}`,
				"ERROR: (" + name + ") something\nCode: " + name + "\nMessage: something",
			} {
				f := firstOf(ParseString(text))
				if !strings.EqualFold(f.Code, name) || f.Kind != plainest(rowsNamed(name)).Kind {
					t.Errorf("%s reads as %s %s: %s", name, f.Kind, f.Code, text)
				}
			}
		}
	}
}

func rowsNamed(name string) []*Code {
	l := lexiconOf()
	return l.names[l.words[strings.ToLower(name)]]
}

// TestCodesByWording: each wording leads to its row where nothing more special is there.
func TestCodesByWording(t *testing.T) {
	for _, c := range codes {
		for _, says := range c.Says {
			text := "Something failed: " + strings.ReplaceAll(says, "*", "x") + "."
			f := firstOf(ParseString(text))
			if f.Kind != c.Kind || f.row != c && f.row.Rank > c.Rank {
				t.Errorf("%q reads as %s %s, want %s %s", text, f.Kind, f.Code, c.Kind, c.Name)
			}
		}
	}
}

// TestEveryTextHasARow: the texts that speak of access are in the catalogue; the rest is no matter of identity.
func TestEveryTextHasARow(t *testing.T) {
	for _, m := range azure.Messages() {
		row := lexiconOf().byText[m]
		if row == nil {
			t.Fatalf("%s has no row", m.Code)
		}
		if known := slices.Contains(codes, row); !known && (m.Status == 403 || strings.HasPrefix(m.Code, "AADSTS")) {
			t.Errorf("%s (%d) is not in the catalogue: %s", m.Code, m.Status, m.Text)
		}
	}
}

func TestRolesGrantTheirActions(t *testing.T) {
	for _, r := range roles {
		role, ok := rbac.BuiltInRole(r.role)
		if !ok {
			t.Fatalf("there is no role %q", r.role)
		}
		action := azure.Action(r.action)
		if strings.HasSuffix(r.action, "/") {
			action = azure.Action(r.action + example(r.action))
		}
		principal, scope := azure.NewGUID(), azure.MustID("/subscriptions/11111111-1111-1111-1111-111111111111")
		p := rbac.New(rbac.PutRole(*role), rbac.AddGrant(rbac.Grant{ID: scope.Join("a"), Role: role.ID, Principal: principal, Scope: scope}))
		data := strings.HasPrefix(r.action, "microsoft.keyvault/")
		if d := p.Decide(rbac.Request{Principal: principal, Action: action, Data: data, Scope: scope}); d.Outcome != rbac.Granted {
			t.Errorf("%s does not grant %s: %s", r.role, action, d.Outcome)
		}
		if got := roleFor(string(action)); got != r.role {
			t.Errorf("for %s the role is %s, want %s", action, got, r.role)
		}
	}
	if roleFor("Microsoft.Foo/bars/read") != "Reader" || roleFor("Microsoft.Foo/bars/write") != "Contributor" {
		t.Error("roles for unknown actions")
	}
}

// example completes the beginning of an action.
func example(prefix string) string {
	switch {
	case strings.HasSuffix(prefix, "credential/"):
		return "action"
	case strings.HasSuffix(prefix, "/accessprofiles/"):
		return "listcredential/action"
	case strings.HasSuffix(prefix, "/pull/"):
		return "read"
	case strings.HasSuffix(prefix, "/push/"), strings.HasSuffix(prefix, "/snapshots/"):
		return "write"
	case strings.HasSuffix(prefix, "/secrets/"):
		return "getsecret/action"
	case strings.HasSuffix(prefix, "/keys/"):
		return "encrypt/action"
	case strings.HasSuffix(prefix, "/certificates/"):
		return "read"
	case strings.HasSuffix(prefix, "/userassignedidentities/"):
		return "assign/action"
	case prefix == "microsoft.network/":
		return "virtualnetworks/subnets/join/action"
	case prefix == "microsoft.compute/":
		return "disks/write"
	case prefix == "microsoft.authorization/":
		return "locks/write"
	case prefix == "microsoft.operationalinsights/":
		return "workspaces/sharedkeys/action"
	case prefix == "microsoft.containerservice/":
		return "managedclusters/write"
	case strings.HasSuffix(prefix, "/storageaccounts/"):
		return "listkeys/action"
	case strings.HasSuffix(prefix, "zones/"):
		return "write"
	}
	return "write"
}
