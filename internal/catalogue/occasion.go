package catalogue

import (
	"slices"

	"aksid/internal/estate"
)

// Occasion is something that is done to a cluster and that exercises some of its needs.
type Occasion string

// The occasions, as the command line spells them.
const (
	Upgrade       Occasion = "upgrade"                  // nodes are replaced, and AKS checks what it checks before every update
	Scale         Occasion = "scale"                    // nodes are added, and AKS checks the same
	Ingress       Occasion = "ingress"                  // services get addresses, host names and load balancers
	Storage       Occasion = "storage"                  // volumes are made and attached
	Rebuilding    Occasion = "rebuild"                  // the cluster is deleted and made again
	UserAssigning Occasion = "migrate-to-user-assigned" // another identity takes over the control plane
	Pulling       Occasion = "registry"                 // images come from a registry
)

// Occasions are all of them.
var Occasions = []Occasion{Upgrade, Scale, Ingress, Storage, Rebuilding, UserAssigning, Pulling}

// Exercised reports whether an occasion exercises a need of the requirement. What AKS checks before an update is exercised
// by all that is sent to it; a rebuild exercises everything; another control plane identity needs what the old one had.
func (r *Requirement) Exercised(o Occasion, n Need) bool {
	switch o {
	case Rebuilding:
		return true
	case UserAssigning:
		return r.Actor == estate.ControlPlane
	case Pulling:
		return r.ID == registryPull.ID
	case Upgrade, Scale:
		if n.Phase == Update {
			return true
		}
	}
	return slices.Contains(r.On, o)
}
