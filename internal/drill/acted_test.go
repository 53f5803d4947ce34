package drill

import (
	"encoding/json"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// nowhere is a local Azure that is not there.
func nowhere() *local.Azure { return &local.Azure{} }

func refusedBy(m *azure.Message, f azure.Fields) act.Refusal {
	e := m.Format(f)
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message}})
	return act.Refusal{Method: "PUT", Status: e.Status, Body: body}
}

// Every wording of a refusal says who may not do what where.
func TestRefusals(t *testing.T) {
	const scope, other = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/lb", "/subscriptions/s/resourceGroups/g2/providers/Microsoft.Network/publicIPAddresses/ip"
	who := azure.Fields{"client": controlOID.String(), "oid": controlOID.String(), "action": "Microsoft.Network/loadBalancers/write", "scope": scope,
		"linkedAction": "Microsoft.Network/publicIPAddresses/join/action", "linkedScope": other, "n": "0", "denied": "1", "deniedScope": other,
		"name": "deny", "id": "/x", "denyScope": "/subscriptions/s", "verb": "delete", "lockedScope": "/subscriptions/s/resourceGroups/g"}
	denied := azure.Fields{}
	for k, v := range who {
		denied[k] = v
	}
	denied["linkedScope"] = ""
	for _, c := range []struct {
		refusal       act.Refusal
		action, scope string
		principal     azure.PrincipalID
	}{
		{refusedBy(azure.AuthorizationFailed, who), "Microsoft.Network/loadBalancers/write", scope, controlOID},
		{refusedBy(azure.AuthorizationFailedCondition, who), "Microsoft.Network/loadBalancers/write", scope, controlOID},
		{refusedBy(azure.LinkedAuthorizationFailed, who), "Microsoft.Network/publicIPAddresses/join/action", other, controlOID},
		{refusedBy(azure.LinkedAuthorizationFailedDenied, denied), "Microsoft.Network/publicIPAddresses/join/action", other, controlOID},
		{refusedBy(azure.DenyAssignmentAuthorizationFailed, who), "Microsoft.Network/loadBalancers/write", scope, controlOID},
		{refusedBy(azure.ScopeLocked, who), "Microsoft.Network/loadBalancers/delete", scope, azure.PrincipalID{}},
		{act.Refusal{Status: 401, Body: json.RawMessage(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)}, "", "", azure.PrincipalID{}},
		{act.Refusal{Status: 401}, "", "", azure.PrincipalID{}},
	} {
		got, ok := refusalOf(c.refusal)
		if !ok || string(got.Action) != c.action || got.Scope != c.scope || got.Principal != c.principal {
			t.Errorf("%s\n%+v, %v", c.refusal.Body, got, ok)
		}
	}
	for _, r := range []act.Refusal{refusedBy(azure.InvalidResourceReference, nil), {Status: 409}, {Status: 500, Body: json.RawMessage(`{"error":"x"}`)}, {Status: 429}} {
		if got, ok := refusalOf(r); ok {
			t.Errorf("%d is a refusal for want of a right: %+v", r.Status, got)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(403, []byte(`{"error":{"code":"AuthorizationFailed","message":"does not have authorization to perform action 'a' over scope '/b'"}}`))
	f.Add(409, []byte(`{"error":{"code":"ScopeLocked","message":"The scope '' cannot perform delete operation"}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if r, ok := refusalOf(act.Refusal{Status: status, Body: body}); ok {
			Lack{Action: "Microsoft.Network/x/read", Scope: nodesID}.meets(r)
		}
	})
}

func TestActed(t *testing.T) {
	refused := []act.Refusal{refusedBy(azure.AuthorizationFailed, azure.Fields{"client": "c", "oid": controlOID.String(), "action": "A/b/write", "scope": "/subscriptions/s"})}
	for _, c := range []struct {
		kind   act.Kind
		done   act.Done
		want   Outcome
		silent bool
	}{
		{act.CreateService, act.Done{Result: "1.2.3.4"}, Works, false},
		{act.CreateService, act.Done{Error: "e", Refused: refused}, Refused, false},
		{act.DeleteService, act.Done{Refused: refused}, Refused, true},
		{act.CreateDisk, act.Done{Error: "quota"}, Failed, false},
		{act.CreateDisk, act.Done{Error: "conflict", Refused: []act.Refusal{{Status: 409}}}, Failed, false},
		{act.PullImage, act.Done{Refused: []act.Refusal{{Status: 401}}}, Works, false}, // as nobody, where everybody may
		{act.PullImage, act.Done{Error: "UNAUTHORIZED", Refused: []act.Refusal{{Status: 401}}}, Refused, false},
	} {
		if got := acted(act.Step{Kind: c.kind}, &c.done); got.Outcome != c.want || got.Silent != c.silent {
			t.Errorf("%s %+v: %s, silent %v", c.kind, c.done, got.Outcome, got.Silent)
		}
	}
}

func TestAgrees(t *testing.T) {
	lack := Lack{Action: "Microsoft.Network/loadBalancers/write", Scope: nodesID, Principal: controlOID}
	refusal := Refusal{Status: 403, Action: "microsoft.network/loadBalancers/write", Scope: nodesID.String() + "/providers/Microsoft.Network/loadBalancers/kubernetes", Principal: controlOID}
	with := func(change func(*Refusal)) Refusal { r := refusal; change(&r); return r }
	pull := Lack{Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: hubID, Principal: kubeletOID}
	for _, c := range []struct {
		name  string
		p     Prediction
		a     Acted
		agree bool
	}{
		{"both work", Prediction{Outcome: Works}, Acted{Outcome: Works}, true},
		{"refused against the prediction", Prediction{Outcome: Works}, Acted{Outcome: Refused, Refused: []Refusal{refusal}}, false},
		{"works against the prediction", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Works}, false},
		{"refused as predicted", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{refusal}}, true},
		{"refused as predicted, silently", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Silent: true, Refused: []Refusal{refusal}}, true},
		{"another action", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{with(func(r *Refusal) { r.Action = "x/y/read" })}}, false},
		{"another place", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{with(func(r *Refusal) { r.Scope = nodesID.String() + "2" })}}, false},
		{"another principal", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{with(func(r *Refusal) { r.Principal = kubeletOID })}}, false},
		{"a list in the group", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{with(func(r *Refusal) { r.Scope = nodesID.String() + "/providers/Microsoft.Network" })}}, true},
		{"a registry does not name the action", Prediction{Outcome: Refused, Missing: []Lack{pull}}, Acted{Outcome: Refused, Refused: []Refusal{{Status: 401}}}, true},
		{"no registry", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Refused, Refused: []Refusal{{Status: 401}}}, false},
		{"failed for another reason", Prediction{Outcome: Refused, Missing: []Lack{lack}}, Acted{Outcome: Failed}, false},
		{"failed, and nothing was predicted", Prediction{Outcome: Unknown}, Acted{Outcome: Failed}, false},
		{"nothing was predicted", Prediction{Outcome: Unknown}, Acted{Outcome: Refused, Refused: []Refusal{refusal}}, true},
	} {
		if got := agrees(c.p, c.a); got != c.agree {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestParseAsIf(t *testing.T) {
	const scope = "/subscriptions/s/resourceGroups/g"
	for text, want := range map[string]AsIf{
		"grant Network Contributor to id-1 at " + scope: {Role: "Network Contributor", To: "id-1", At: azure.MustID(scope)},
		"  Grant AcrPull  to  x at " + scope + " ":      {Role: "AcrPull", To: "x", At: azure.MustID(scope)},
		"grant role to give to id-1 at " + scope:        {Role: "role to give", To: "id-1", At: azure.MustID(scope)},
		"revoke Contributor from id-1 at " + scope:      {Revoke: true, Role: "Contributor", To: "id-1", At: azure.MustID(scope)},
		"grant Reader to id-1":                          {},
		"grant Reader from id-1 at " + scope:            {},
		"revoke Reader to id-1 at " + scope:             {},
		"grant Reader to id-1 at rg1":                   {},
		"":                                              {},
	} {
		if got, err := ParseAsIf(text); got != want || (err != nil) != want.At.IsZero() {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
