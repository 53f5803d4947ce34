package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// Before is a change that somebody is about to make; the zero value is none.
type Before struct {
	Occasion catalogue.Occasion
	Target   azure.ID // the registry to pull from, or the identity to migrate to, if it is known
}

// ParseBefore reads what the command line says: an occasion, for a registry and for an identity with =ID.
func ParseBefore(s string) (Before, error) {
	name, target, found := strings.Cut(s, "=")
	b := Before{Occasion: catalogue.Occasion(name)}
	var err error
	if found {
		b.Target, err = azure.ParseID(target)
	}
	switch takes := b.Occasion == catalogue.Pulling || b.Occasion == catalogue.UserAssigning; {
	case !slices.Contains(catalogue.Occasions, b.Occasion):
		return b, fmt.Errorf("there is no change %q; choose one of %s", name, occasions())
	case err != nil, found && !takes:
		return b, fmt.Errorf("%q is not the id that %s is about", target, name)
	case b.Occasion == catalogue.Pulling && (!found || !strings.EqualFold(b.Target.Type(), estate.TypeRegistry)):
		return b, fmt.Errorf("name the registry by its id, as in registry=/subscriptions/…/registries/acr1")
	case found && b.Occasion == catalogue.UserAssigning && !strings.EqualFold(b.Target.Type(), estate.TypeIdentity):
		return b, fmt.Errorf("name the identity by its id, as in %s=/subscriptions/…/userAssignedIdentities/id1", name)
	}
	return b, nil
}

func occasions() string {
	var out []string
	for _, o := range catalogue.Occasions {
		out = append(out, string(o))
	}
	return strings.Join(out, ", ")
}

// String is what ParseBefore reads; "" is no change.
func (b Before) String() string {
	if b.Target.IsZero() {
		return string(b.Occasion)
	}
	return string(b.Occasion) + "=" + b.Target.String()
}

// Runs reports whether a rule has something to say: before a change only what can stop it.
func (b Before) Runs(r *Rule) bool {
	if r.Only != "" {
		return r.Only == b.Occasion
	}
	return b.Occasion == "" || r.Stops
}

// assess decides what the change exercises.
func (b Before) assess(e *estate.Estate, c *estate.Cluster) []*Assessment {
	all := Assess(e, c)
	if b.Occasion == "" {
		return all
	}
	all = slices.DeleteFunc(all, func(a *Assessment) bool {
		byAKS := b.Occasion == catalogue.UserAssigning && c.NodeGroup().Contains(a.Need.Scope) // which gives the new one its role there
		return byAKS || !a.Requirement.Exercised(b.Occasion, a.Need) || b.Occasion == catalogue.Pulling && !a.Need.Scope.Equal(b.Target)
	})
	if who, ok := b.successor(e); ok {
		for i, a := range all {
			all[i] = AssessNeed(e, a.Requirement, a.Need, who)
		}
	}
	return all
}

// successor is the identity that a migration gives the control plane, as far as it is known.
func (b Before) successor(e *estate.Estate) (estate.Identity, bool) {
	if b.Occasion != catalogue.UserAssigning || b.Target.IsZero() {
		return estate.Identity{}, false
	}
	return e.UserAssigned(estate.ControlPlane, b.Target), true
}
