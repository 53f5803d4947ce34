package access

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

const record = `
{"at":"2026-11-24T12:00:00Z","principal":"11111111-1111-1111-1111-111111111111","action":"Microsoft.Network/loadBalancers/write","scope":"/subscriptions/0/resourceGroups/mc/providers/Microsoft.Network/loadBalancers/lb","outcome":"Granted"}
{"principal":"11111111-1111-1111-1111-111111111111","action":"Microsoft.Network/loadBalancers/read","scope":"/subscriptions/0/resourceGroups/mc/providers/Microsoft.Network","outcome":"Granted"}
{"principal":"11111111-1111-1111-1111-111111111111","action":"microsoft.network/loadbalancers/WRITE","scope":"/subscriptions/0/resourceGroups/MC/providers/Microsoft.Network/loadBalancers/other","outcome":"Granted"}
{"principal":"11111111-1111-1111-1111-111111111111","action":"Microsoft.Network/virtualNetworks/subnets/join/action","scope":"/subscriptions/1/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/v/subnets/s","outcome":"Granted"}
{"principal":"11111111-1111-1111-1111-111111111111","action":"Microsoft.Network/routeTables/write","scope":"/subscriptions/1/resourceGroups/hub/providers/Microsoft.Network/routeTables/r","outcome":"NotGranted"}
{"principal":"22222222-2222-2222-2222-222222222222","action":"Microsoft.KeyVault/vaults/secrets/getSecret/action","data":true,"scope":"/subscriptions/0/resourceGroups/a/providers/Microsoft.KeyVault/vaults/v","outcome":"Granted"}
`

func TestLeast(t *testing.T) {
	uses, err := ReadUses(strings.NewReader(record))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range Least(uses, false) {
		got = append(got, r.Principal.String()[:1]+" "+r.Scope.String()+" "+strings.Join(r.Actions, ",")+" "+strings.Join(r.DataActions, ","))
	}
	want := []string{
		"1 /subscriptions/0/resourceGroups/mc Microsoft.Network/loadBalancers/read,Microsoft.Network/loadBalancers/write ",
		"1 /subscriptions/1/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/v/subnets/s Microsoft.Network/virtualNetworks/subnets/join/action ",
		"2 /subscriptions/0/resourceGroups/a/providers/Microsoft.KeyVault/vaults/v  Microsoft.KeyVault/vaults/secrets/getSecret/action",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	all := Least(uses, true)
	if !strings.HasSuffix(all[1].Scope.String(), "/hub") || !slices.Contains(all[1].Actions, "Microsoft.Network/routeTables/write") {
		t.Errorf("with what was refused: %+v", all[1])
	}
	for _, r := range all {
		if s := r.AssignableScopes[0]; s.ResourceGroup() == "" || !s.Contains(r.Scope) {
			t.Errorf("%s is kept at %s", r.Name, s)
		}
	}
}

func TestReadUsesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"{}": "line 1: it is no recorded decision", "\n\nx": "line 3", `{"principal":7}`: "line 1", strings.Repeat("x", maxLine+1): "longer than",
	} {
		if _, err := ReadUses(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v, want %s", text, err, want)
		}
	}
}

// FuzzReadUses reads anything; what was read makes roles that cover every use.
func FuzzReadUses(f *testing.F) {
	f.Add(record)
	f.Fuzz(func(t *testing.T, text string) {
		uses, err := ReadUses(strings.NewReader(text))
		if err != nil {
			return
		}
		roles := Least(uses, true)
		for _, u := range uses {
			covered := slices.ContainsFunc(roles, func(r Role) bool {
				list := r.Actions
				if u.Data {
					list = r.DataActions
				}
				return r.Principal == u.Principal && r.Scope.Contains(whole(u.Scope)) && slices.ContainsFunc(list, func(a string) bool { return rbac.MatchAction(a, u.Action) })
			})
			if !covered {
				t.Errorf("%+v is not covered by %+v", u, roles)
			}
		}
	})
}

// A role names only what Azure takes.
func TestAccepted(t *testing.T) {
	for action, want := range map[azure.Action]string{
		"Microsoft.Network/loadBalancers/write":        "Microsoft.Network/loadBalancers/write",
		"microsoft.network/loadbalancers/WRITE":        "microsoft.network/loadbalancers/WRITE",
		"Microsoft.Network/privateDnsZones/A/read":     "Microsoft.Network/privateDnsZones/*/read",
		"Microsoft.Nothing/nowhere/read":               "Microsoft.Nothing/nowhere/read",
		"nothing":                                      "nothing",
		"Microsoft.Network/privateDnsZones/A/a/action": "Microsoft.Network/privateDnsZones/A/a/action",
	} {
		if got := accepted(action); got != want {
			t.Errorf("%s becomes %s, want %s", action, got, want)
		}
	}
}
