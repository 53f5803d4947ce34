package azure

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

const sub = "/subscriptions/00000000-0000-0000-0000-0000000000A1"

func TestParseID(t *testing.T) {
	for _, c := range []struct{ in, text, key string }{
		{"/", "/", "/"},
		{"///", "/", "/"},
		{sub, sub, "/subscriptions/00000000-0000-0000-0000-0000000000a1"},
		{sub + "/", sub, "/subscriptions/00000000-0000-0000-0000-0000000000a1"},
		{"//subscriptions///S//resourceGroups/Rg1//", "/subscriptions/S/resourceGroups/Rg1", "/subscriptions/s/resourcegroups/rg1"},
		{"/subscriptions/s/resourceGroups/Straße-ÉÖ", "/subscriptions/s/resourceGroups/Straße-ÉÖ", "/subscriptions/s/resourcegroups/straße-éö"},
		// the Kelvin sign is no K, and I with a dot no i
		{"/x/\u212a", "/x/\u212a", "/x/\u212a"},
		{"/x/\u0130I", "/x/\u0130I", "/x/\u0130i"},
	} {
		id, err := ParseID(c.in)
		if err != nil || id.String() != c.text || id.Key() != c.key {
			t.Errorf("ParseID(%q) = %q, key %q, %v; want %q, key %q", c.in, id, id.Key(), err, c.text, c.key)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":                               "does not begin with /",
		"subscriptions/x":                "does not begin with /",
		"https://x/subscriptions/":       "does not begin with /",
		"/subscriptions/\x00":            "control characters",
		"/subscriptions/a\nb":            "control characters",
		"/subscriptions/\xff":            "not UTF-8",
		"/" + strings.Repeat("x", MaxID): "at most 4096",
		strings.Repeat("x", 300):         "…",
	} {
		if id, err := ParseID(in); err == nil || !strings.Contains(err.Error(), why) || !id.IsZero() {
			t.Errorf("ParseID(%.40q) = %q, %v; want an error with %q", in, id, err, why)
		}
	}
}

// TestIDParts takes ids of every shape apart.
func TestIDParts(t *testing.T) {
	rg := sub + "/resourceGroups/rg1"
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	for _, c := range []struct{ id, typ, name, parent, sub, rg string }{
		{"/", "", "", "", "", ""},
		{sub, TypeSubscription, "00000000-0000-0000-0000-0000000000A1", "/", sub, ""},
		{rg, TypeResourceGroup, "rg1", sub, sub, "rg1"},
		{strings.ToUpper(rg), TypeResourceGroup, "RG1", strings.ToUpper(sub), strings.ToUpper(sub), "RG1"},
		{vnet, "Microsoft.Network/virtualNetworks", "v", rg, sub, "rg1"},
		{vnet + "/subnets/s", "Microsoft.Network/virtualNetworks/subnets", "s", vnet, sub, "rg1"},
		{vnet + "/subnets/s/providers/Microsoft.Authorization/roleAssignments/a", "Microsoft.Authorization/roleAssignments", "a", vnet + "/subnets/s", sub, "rg1"},
		{"/providers/Microsoft.Management/managementGroups/mg", TypeManagementGroup, "mg", "/", "", ""},
		{"/providers/Microsoft.Authorization/roleDefinitions/d", "Microsoft.Authorization/roleDefinitions", "d", "/", "", ""},
		{"/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/roleAssignments/a", "Microsoft.Authorization/roleAssignments", "a",
			"/providers/Microsoft.Management/managementGroups/mg", "", ""},
		// names that look like something else
		{sub + "/resourceGroups/providers", TypeResourceGroup, "providers", sub, sub, "providers"},
		{sub + "/resourceGroups/providers/providers/A.B/c/d", "A.B/c", "d", sub + "/resourceGroups/providers", sub, "providers"},
		// collections, providers and actions have no type
		{sub + "/resourceGroups", "", "resourceGroups", sub, sub, ""},
		{"/subscriptions", "", "subscriptions", "/", "", ""},
		{rg + "/providers/Microsoft.Network", "", "Microsoft.Network", rg, sub, "rg1"},
		{rg + "/providers/Microsoft.Network/virtualNetworks", "", "virtualNetworks", rg, sub, "rg1"},
		{vnet + "/subnets", "", "subnets", vnet, sub, "rg1"},
		{rg + "/providers/Microsoft.ContainerRegistry/registries/r/listCredentials", "", "listCredentials", rg + "/providers/Microsoft.ContainerRegistry/registries/r", sub, "rg1"},
		{rg + "/x", "", "x", rg, sub, "rg1"},
	} {
		id := MustID(c.id)
		owner := ""
		if s := id.Subscription(); s != "" {
			owner = c.id[:len("/subscriptions/")] + s
		}
		if id.Type() != c.typ || id.Name() != c.name || id.Parent().Key() != strings.ToLower(c.parent) || owner != c.sub || id.ResourceGroup() != c.rg {
			t.Errorf("%s\n got type %q name %q parent %q subscription %q group %q\nwant type %q name %q parent %q subscription %q group %q", c.id,
				id.Type(), id.Name(), id.Parent(), owner, id.ResourceGroup(), c.typ, c.name, c.parent, c.sub, c.rg)
		}
		if group := id.GroupID(); (c.rg == "") != group.IsZero() || c.rg != "" && !group.Equal(MustID(rg)) && c.rg == "rg1" {
			t.Errorf("%s: GroupID %q", c.id, group)
		}
	}
}

func TestIDContains(t *testing.T) {
	for _, c := range []struct {
		above, below string
		want         bool
	}{
		{"/", sub, true},
		{"/", "/", true},
		{sub, "/", false},
		{sub, strings.ToUpper(sub) + "/resourceGroups/rg1", true},
		{sub + "/resourceGroups/RG1", sub + "/RESOURCEGROUPS/rg1", true},
		{sub + "/resourceGroups/rg1", sub + "/resourceGroups/rg10", false},
		{sub + "/resourceGroups/rg1", sub + "/resourceGroups/rg10/providers/A.B/c/d", false},
		{sub + "/resourceGroups/rg1/providers/A.B/c/d", sub + "/resourceGroups/rg1", false},
		{sub, "/subscriptions/00000000-0000-0000-0000-0000000000a10", false},
		{"/providers/Microsoft.Management/managementGroups/mg", sub, false},
	} {
		if got := MustID(c.above).Contains(MustID(c.below)); got != c.want {
			t.Errorf("%s contains %s: %v", c.above, c.below, got)
		}
	}
	if (ID{}).Contains(MustID(sub)) || Root.Contains(ID{}) || MustID(sub).Contains(ID{}) {
		t.Error("no id contains, or is contained in, something")
	}
}

func TestIDComposes(t *testing.T) {
	rg := SubscriptionID("s").Join("resourceGroups", "rg")
	for got, want := range map[ID]string{
		Root.Join("providers", "x"):                                        "/providers/x",
		rg.Resource("Microsoft.Network/virtualNetworks/subnets", "v", "s"): "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
		rg.Resource("Microsoft.Network/virtualNetworks/subnets", "v"):      "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets",
		rg.Resource("Microsoft.Network"):                                   "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network",
		Root.Resource("Microsoft.Management/managementGroups", "Mg"):       "/providers/Microsoft.Management/managementGroups/Mg",
	} {
		if got.String() != want || !got.Equal(MustID(want)) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	type doc struct {
		ID ID `json:"id,omitzero"`
	}
	var d doc
	if err := json.Unmarshal([]byte(`{"id":"/Subscriptions/S//"}`), &d); err != nil || d.ID != MustID("/Subscriptions/S") {
		t.Errorf("read %v, %v", d.ID, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `{"id":"/Subscriptions/S"}` {
		t.Errorf("wrote %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"id":""}`), &d); err != nil || !d.ID.IsZero() {
		t.Errorf("read %v, %v from an empty text", d.ID, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `{}` {
		t.Errorf("wrote %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"x"}`), &d); err == nil {
		t.Error("read an id without a slash")
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"/", sub, sub + "/resourceGroups/rg/providers/A.B/c/d/e/f", "/providers/Microsoft.Management/managementGroups/m",
		"//a//b/", "/providers/providers/providers/", "/x/\u212a/providers/\u0130/\u1e9e", "/subscriptions/s/resourcegroups/r/providers/A.B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			if !id.IsZero() {
				t.Errorf("%q with an error", id)
			}
			return
		}
		text, key := id.String(), id.Key()
		if again, err := ParseID(text); err != nil || again != id {
			t.Errorf("%q reads as %q, %v", text, again, err)
		}
		if folded, err := ParseID(key); err != nil || folded.Key() != key || !folded.Equal(id) {
			t.Errorf("key %q reads as %q, %v", key, folded, err)
		}
		if len(key) != len(text) || !utf8.ValidString(key) || strings.Contains(text, "//") || text != "/" && strings.HasSuffix(text, "/") {
			t.Errorf("text %q, key %q", text, key)
		}
		if id != Root && "/"+strings.Join(id.Segments(), "/") != text {
			t.Errorf("%q has segments %q", text, id.Segments())
		}
		checkParents(t, id)
	})
}

// checkParents climbs to the root.
func checkParents(t *testing.T, id ID) {
	for at := id; at != Root; {
		up := at.Parent()
		if up.IsZero() || !up.Contains(at) || len(up.Key()) >= len(at.Key()) || !up.Contains(id) {
			t.Fatalf("%q is the parent of %q", up, at)
		}
		if again := MustID(up.String()); again != up {
			t.Fatalf("%q reads as %q", up, again)
		}
		_, typ, names := at.Split()
		if at.Type() != "" && (at.Type() != typ || len(names) != strings.Count(typ, "/") || at.Name() != names[len(names)-1]) {
			t.Fatalf("%q has type %q and names %q", at, typ, names)
		}
		at = up
	}
}
