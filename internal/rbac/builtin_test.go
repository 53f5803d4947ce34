package rbac

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// TestBuiltInRoles counts what Azure's list of 2026-08-22 holds, and finds each role by every spelling.
func TestBuiltInRoles(t *testing.T) {
	roles, elements, patterns := 0, 0, 0
	for r := range BuiltInRoles() {
		roles++
		elements += len(r.Permissions)
		for i := range r.Permissions {
			for _, list := range r.Permissions[i].lists() {
				patterns += len(*list)
			}
		}
		if !r.BuiltIn || len(r.AssignableScopes) != 1 || r.AssignableScopes[0] != azure.Root {
			t.Errorf("%s: built in %v, assignable at %v", r.Name, r.BuiltIn, r.AssignableScopes)
		}
		for _, s := range []string{r.Name, strings.ToUpper(r.Name), strings.ToLower(r.Name), " " + r.Name, r.ID.String(), strings.ToUpper(r.ID.String()), r.ID.Hex()} {
			if got, ok := BuiltInRole(s); !ok || got != r {
				t.Errorf("BuiltInRole(%q) = %v, %v; want %s", s, got, ok, r.Name)
			}
		}
	}
	if roles != 928 || elements != 946 || patterns != 11_066 {
		t.Errorf("%d roles with %d permission elements and %d patterns; want 928, 946 and 11066", roles, elements, patterns)
	}
	for _, s := range []string{"", "Owne", "Owners", "8e3af657-a8ff-443c-a75c-2fe8c4bcb636", "/"} {
		if r, ok := BuiltInRole(s); ok {
			t.Errorf("BuiltInRole(%q) = %s", s, r.Name)
		}
	}
}

func TestBuiltInRolesStopEarly(t *testing.T) {
	for r := range BuiltInRoles() {
		if r.Name == "" {
			t.Error("a role without a name")
		}
		return
	}
}

func builtIn(t testing.TB, name string) *Role {
	t.Helper()
	r, ok := BuiltInRole(name)
	if !ok {
		t.Fatalf("no built-in role %q", name)
	}
	return r
}

// TestContributor has one role in full, as Azure prints it.
func TestContributor(t *testing.T) {
	want := Role{ID: azure.MustGUID("b24988ac-6180-42a0-ab88-20f7382dd24c"), Name: "Contributor", BuiltIn: true, AssignableScopes: []azure.ID{azure.Root},
		Permissions: []Permission{{Actions: []string{"*"}, DataActions: []string{}, NotDataActions: []string{}, NotActions: []string{
			"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
			"Microsoft.Blueprint/blueprintAssignments/write", "Microsoft.Blueprint/blueprintAssignments/delete", "Microsoft.Compute/galleries/share/action",
			"Microsoft.Purview/consents/write", "Microsoft.Purview/consents/delete", "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
			"Microsoft.Subscription/cancel/action", "Microsoft.Subscription/enable/action"}}}}
	if got := builtIn(t, "contributor"); !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

// TestWhichRolesGrant compares with what was counted in Azure's list (azure-facts 0 and 2.4), through the role alone and
// through a policy. Roles that have roleAssignments/write under a condition do not grant it as long as that is open.
func TestWhichRolesGrant(t *testing.T) {
	for _, c := range []struct {
		action            azure.Action
		data              bool
		grant, conditions int
		among             string
	}{
		{"Microsoft.ContainerRegistry/registries/pull/read", false, 24, 0,
			"AcrPull AcrPush Reader Contributor Owner Log_Analytics_Reader Monitoring_Reader User_Access_Administrator Role_Based_Access_Control_Administrator"},
		{"Microsoft.Network/virtualNetworks/subnets/join/action", false, 31, 0, "Network_Contributor Contributor Owner"},
		{"Microsoft.Authorization/roleAssignments/write", false, 3, 25, "Owner User_Access_Administrator"},
		{"Microsoft.ContainerRegistry/registries/repositories/content/read", true, 6, 0, "Container_Registry_Repository_Reader"},
	} {
		var changes []Change
		for r := range BuiltInRoles() {
			changes = append(changes, PutRole(*r), AddGrant(Grant{Role: r.ID, Principal: r.ID, Scope: azure.Root}))
		}
		p := New(changes...)
		var grant, conditions []string
		for r := range BuiltInRoles() {
			d := p.Decide(Request{Principal: r.ID, Action: c.action, Data: c.data, Scope: azure.MustID("/subscriptions/s")})
			if (d.Outcome == Granted) != r.Grants(c.action, c.data) {
				t.Errorf("%s: a policy decides %s, the role alone says %v", r.Name, d.Outcome, r.Grants(c.action, c.data))
			}
			switch {
			case d.Outcome == Granted:
				grant = append(grant, strings.ReplaceAll(r.Name, " ", "_"))
			case d.Outcome == Unknown && d.Condition:
				conditions = append(conditions, r.Name)
			case d != Decision{}:
				t.Errorf("%s: %+v", r.Name, d)
			}
		}
		if len(grant) != c.grant || len(conditions) != c.conditions {
			t.Errorf("%s: %d roles grant it, %d under a condition; want %d and %d: %q, %q", c.action, len(grant), len(conditions), c.grant, c.conditions, grant, conditions)
		}
		for _, name := range strings.Fields(c.among) {
			if !slices.Contains(grant, name) {
				t.Errorf("%s does not grant %s", name, c.action)
			}
		}
	}
}

func TestTableOfRoles(t *testing.T) {
	in := []Role{
		{ID: azure.GUID{1}, Name: "one", Permissions: []Permission{
			{Actions: []string{"a", "b"}, NotActions: []string{"b"}, DataActions: []string{}, NotDataActions: []string{"a"}, Condition: "c", ConditionVersion: "2.0"},
			{Actions: []string{}, NotActions: []string{}, DataActions: []string{""}, NotDataActions: []string{strings.Repeat("x", 300)}}}},
		{ID: azure.GUID{2}, Name: "", Permissions: []Permission{}},
	}
	var table bytes.Buffer
	if err := WriteRoles(&table, in); err != nil {
		t.Fatal(err)
	}
	got, err := readRoles(table.Bytes())
	for i := range in {
		in[i].BuiltIn, in[i].AssignableScopes = true, []azure.ID{azure.Root}
	}
	if err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("read %+v, %v\nwrote %+v", got, err, in)
	}
}

// TestDamagedTable cuts and changes a table: it is refused, or at least read without harm.
func TestDamagedTable(t *testing.T) {
	for i := 0; i < len(builtInTable); i += 4999 {
		if roles, err := readRoles(builtInTable[:i]); err == nil {
			t.Errorf("%d roles in the first %d bytes", len(roles), i)
		}
	}
	roles, err := readRoles(builtInTable)
	if err != nil {
		t.Fatal(err)
	}
	raw := encodeRoles(roles)
	refused := 0
	for i := len(raw) - 20_000; i < len(raw); i += 199 {
		bad := slices.Clone(raw)
		bad[i] = 0xff
		if _, err := decodeRoles(string(bad)); err != nil {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("only %d damaged tables were refused", refused)
	}
	if _, err := decodeRoles(string(raw) + "x"); err == nil {
		t.Error("a table with more behind it was read")
	}
}

// BenchmarkBuiltInRoles reads the table, as a process does once if it needs to.
func BenchmarkBuiltInRoles(b *testing.B) {
	for b.Loop() {
		if _, err := readRoles(builtInTable); err != nil {
			b.Fatal(err)
		}
	}
}
