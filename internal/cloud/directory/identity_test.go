package directory

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

func TestAttached(t *testing.T) {
	vm := rg.Resource("Microsoft.Compute/virtualMachines", "vm1")
	set := rg.Resource("Microsoft.Compute/virtualMachineScaleSets", "pool")
	instance := set.Join("virtualMachines", "3")
	id1, id2 := rg.Resource(TypeUserAssigned, "id1"), rg.Resource(TypeUserAssigned, "id2")
	identity := func(system azure.PrincipalID, users map[azure.ID]azure.PrincipalID) string {
		block := map[string]any{"type": "whatever"}
		if !system.IsZero() {
			block["principalId"] = system
		}
		assigned := map[string]any{}
		for id, p := range users {
			assigned[id.String()] = map[string]any{"principalId": p, "clientId": appID}
		}
		block["userAssignedIdentities"] = assigned
		b, err := json.Marshal(map[string]any{"identity": block, "properties": map[string]any{"provisioningState": "Succeeded"}})
		check(t, err)
		return string(b)
	}
	two := map[azure.ID]azure.PrincipalID{id2: groupB, id1: groupA}
	for _, c := range []struct {
		name     string
		machine  azure.ID
		document azure.ID
		body     string
		want     []azure.PrincipalID
	}{
		{"system-assigned comes first", vm, vm, identity(ann, two), []azure.PrincipalID{ann, groupA, groupB}},
		{"user-assigned in order of id", vm, vm, identity(azure.GUID{}, two), []azure.PrincipalID{groupA, groupB}},
		{"an instance has the scale set's", instance, set, identity(ann, nil), []azure.PrincipalID{ann}},
		{"no identity block", vm, vm, `{"location":"westeurope"}`, nil},
		{"identity null", vm, vm, `{"identity":null}`, nil},
		{"type None", vm, vm, `{"identity":{"type":"None"}}`, nil},
		{"a reference without a principal", vm, vm, `{"identity":{"userAssignedIdentities":{"` + id1.String() + `":{}}}}`, nil},
		{"a deleted identity is left out", vm, vm, identity(app, map[azure.ID]azure.PrincipalID{id1: groupA}), []azure.PrincipalID{groupA}},
		{"a user-assigned identity has itself", id1, id1, `{"properties":{"principalId":"` + groupA.String() + `"}}`, []azure.PrincipalID{groupA}},
		{"in any case", azure.MustID(vm.Key()), vm, identity(ann, nil), []azure.PrincipalID{ann}},
	} {
		t.Run(c.name, func(t *testing.T) {
			update(t, func(tx store.Tx) {
				for _, id := range []azure.PrincipalID{ann, groupA, groupB} {
					check(t, Put(tx, Principal{ID: id, Type: ServicePrincipal, Kind: ManagedIdentity}))
				}
				check(t, tx.Put(store.Doc{Kind: KindResource, Key: c.document.Key(), Body: []byte(c.body)}))
				attached, err := Attached(tx, c.machine)
				check(t, err)
				var got []azure.PrincipalID
				for _, p := range attached {
					got = append(got, p.ID)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestAttachedToNothing(t *testing.T) {
	update(t, func(tx store.Tx) {
		vm := rg.Resource("Microsoft.Compute/virtualMachines", "vm1")
		if _, err := Attached(tx, vm); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no resource: %v", err)
		}
		check(t, tx.Put(store.Doc{Kind: KindResource, Key: vm.Key(), Body: []byte(`{"identity":{"principalId":"x"}}`)}))
		if _, err := Attached(tx, vm); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a broken identity block: %v", err)
		}
	})
}

// TestARecreatedIdentityIsAnother: who still refers to the old one by its principal has lost it.
func TestARecreatedIdentityIsAnother(t *testing.T) {
	update(t, func(tx store.Tx) {
		id := rg.Resource(TypeUserAssigned, "id1")
		first, err := NewManagedIdentity(tx, "id1", id, now)
		check(t, err)
		check(t, Delete(tx, first.ID))
		second, err := NewManagedIdentity(tx, "id1", id, now)
		check(t, err)
		if first.ID == second.ID || first.AppID == second.AppID || !second.UserAssigned() {
			t.Errorf("first %+v, second %+v", first, second)
		}
		if p, err := ByResource(tx, id); err != nil || p.ID != second.ID {
			t.Errorf("found %v, %v", p.ID, err)
		}
	})
}

func TestUserAssigned(t *testing.T) {
	for resource, want := range map[string]bool{
		"/subscriptions/s/resourceGroups/r/providers/microsoft.managedidentity/userassignedidentities/x": true,
		"/subscriptions/s/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/x":       false,
	} {
		if got := (Principal{Resource: azure.MustID(resource)}).UserAssigned(); got != want {
			t.Errorf("%s: %v", resource, got)
		}
	}
}
