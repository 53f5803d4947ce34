package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Types whose documents Attached reads in a way of their own.
const (
	TypeUserAssigned     = "Microsoft.ManagedIdentity/userAssignedIdentities"
	TypeScaleSetInstance = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
)

// NewManagedIdentity writes the service principal of a managed identity, with ids of its own:
// a resource that is deleted and made again gets another principal.
func NewManagedIdentity(tx store.Tx, name string, resource azure.ID, now time.Time) (Principal, error) {
	p := Principal{
		ID: azure.NewGUID(), AppID: azure.NewGUID(), Type: ServicePrincipal, Kind: ManagedIdentity,
		DisplayName: name, Resource: resource, Created: now,
	}
	return p, Put(tx, p)
}

// UserAssigned reports whether p is a user-assigned identity; other managed identities are system-assigned.
func (p Principal) UserAssigned() bool { return strings.EqualFold(p.Resource.Type(), TypeUserAssigned) }

// attachment is what of an ARM document says which identities it has.
type attachment struct {
	Identity struct {
		PrincipalID  azure.PrincipalID `json:"principalId"`
		UserAssigned map[string]struct {
			PrincipalID azure.PrincipalID `json:"principalId"`
		} `json:"userAssignedIdentities"`
	} `json:"identity"`
	Properties struct {
		PrincipalID azure.PrincipalID `json:"principalId"` // of a user-assigned identity itself
	} `json:"properties"`
}

// Attached are the managed identities that a machine can ask tokens for: those of the resource's identity block,
// the system-assigned one first. An instance of a scale set has those of the scale set, and a user-assigned identity
// counts as a machine with just itself. An identity that is deleted is left out, also when one of the same name was made since.
// The error is store.ErrNotFound where there is no such resource.
func Attached(tx store.Tx, machine azure.ID) ([]Principal, error) {
	d, err := Resource(tx, machine)
	if err != nil {
		return nil, err
	}
	var a attachment
	if err := json.Unmarshal(d.Body, &a); err != nil {
		return nil, fmt.Errorf("identities of %s: %w", machine, err)
	}
	if strings.EqualFold(machine.Type(), TypeUserAssigned) {
		return principals(tx, a.Properties.PrincipalID)
	}
	ids := []azure.PrincipalID{a.Identity.PrincipalID}
	for _, k := range slices.Sorted(maps.Keys(a.Identity.UserAssigned)) {
		ids = append(ids, a.Identity.UserAssigned[k].PrincipalID)
	}
	return principals(tx, ids...)
}

// Resource is the document of a machine: that of the scale set for one of its instances.
func Resource(tx store.Tx, machine azure.ID) (store.Doc, error) {
	if strings.EqualFold(machine.Type(), TypeScaleSetInstance) {
		machine = machine.Parent()
	}
	return tx.Get(KindResource, machine.Key())
}

// principals reads those that exist.
func principals(tx store.Tx, ids ...azure.PrincipalID) ([]Principal, error) {
	var found []Principal
	for _, id := range ids {
		p, err := Get(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}
