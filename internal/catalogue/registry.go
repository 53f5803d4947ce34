package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// What a registry asks of who pulls an image: an action, or in the mode with repository permissions a data action.
// In that mode no action counts, so that AcrPull, Reader and even Owner pull nothing (facts 0.4).
// repositories/metadata/read is for listing tags: the documented role has it, a pull does not ask for it.
var (
	pullActions     = verbs(estate.TypeRegistry, "pull/read")
	pullDataActions = verbs(estate.TypeRegistry+"/repositories", "content/read")
)

// registryPull: nodes pull images as the kubelet identity. A cluster's document names no registry that it pulls from.
// One is needed when the user or a pod's image names it, or when an identity of the cluster was given a role to pull from it,
// be it the right identity or not. A plan or template that makes a cluster and one registry makes it for the cluster.
var registryPull = Requirement{
	ID:      "acrpull",
	Feature: "image pulls from a registry",
	Breaks:  "image pulls from {target} fail with 401",
	Source:  "cluster-container-registry-integration, cannot-pull-image-from-acr-to-aks-cluster",
	Actor:   estate.Kubelet,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		registries := Registries(e, c)
		if len(registries) > 0 || len(e.Brought) < 2 {
			return pullFrom(e, registries)
		}
		return perhaps(pullFrom(e, e.Brought)) // one of them may be for this cluster
	},
}

// bootstrapPull: the nodes of a network isolated cluster get even AKS's own images from a registry of the user's.
var bootstrapPull = Requirement{
	ID:      "bootstrap-acrpull",
	Feature: "bootstrap registry of a network isolated cluster",
	Breaks:  "new nodes do not come up: VMExtensionProvisioningError, exit status 212",
	Source:  "network-isolated, vmextensionerror-oraspullunauthorized",
	Actor:   estate.Kubelet,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		if id := c.BootstrapRegistry(); !id.IsZero() {
			return pullFrom(e, []azure.ID{id})
		}
		return pullFrom(e, nil)
	},
}

// Registries are the registries that a cluster pulls from, as far as that can be told; some may be there more than once.
func Registries(e *estate.Estate, c *estate.Cluster) []azure.ID {
	out := slices.Concat(e.Registries, imagesOf(e, c), pullerOf(e, c))
	if len(out) == 0 && len(e.Brought) == 1 {
		return e.Brought
	}
	return out
}

// perhaps are needs that may be none.
func perhaps(needs iter.Seq[Need]) iter.Seq[Need] {
	return func(yield func(Need) bool) {
		for n := range needs {
			n.Certainty = Maybe
			if !yield(n) {
				return
			}
		}
	}
}

// pullFrom are the needs of pulling from registries, each once. One that lets everybody pull asks for no role.
func pullFrom(e *estate.Estate, registries []azure.ID) iter.Seq[Need] {
	return func(yield func(Need) bool) {
		seen := map[string]bool{}
		for _, id := range registries {
			if !seen[id.Key()] && !e.AnonymousPull(id) && !yield(pull(e, id)) {
				return
			}
			seen[id.Key()] = true
		}
	}
}

func pull(e *estate.Estate, registry azure.ID) Need {
	need := Need{
		Scope: registry, Target: e.LoginServer(registry),
		Actions: pullActions, Phase: Runtime, Certainty: Now, Role: roleAcrPull,
	}
	abac := need
	abac.Actions, abac.DataActions, abac.Role = nil, pullDataActions, roleRepositoryReader
	switch e.RegistryMode(registry) {
	case estate.ModeABAC:
		return abac
	case estate.ModeUnknown:
		need.Unsure = "the registry's permission mode is not known (az acr show --query roleAssignmentMode, with a current az)"
		need.Or = &abac
	}
	return need
}

// imagesOf are the registries that pods of the cluster name, as far as they are among what was read.
func imagesOf(e *estate.Estate, c *estate.Cluster) []azure.ID {
	var out []azure.ID
	for _, host := range e.Kube(c).ImageHosts() {
		for _, r := range e.Resources(estate.TypeRegistry) {
			if strings.EqualFold(e.LoginServer(r.ID), host) {
				out = append(out, r.ID)
			}
		}
	}
	return out
}

// pullerOf are the registries on which an identity of the cluster holds a role that is for pulling,
// under its object id or, by mistake, under its client id.
func pullerOf(e *estate.Estate, c *estate.Cluster) []azure.ID {
	var out []azure.ID
	for _, id := range e.Identities(c) {
		for _, p := range []azure.GUID{id.Principal, id.Client} {
			for _, g := range e.Held(p) {
				if !p.IsZero() && strings.EqualFold(g.Scope.Type(), estate.TypeRegistry) && PullRole(e, g.Role) {
					out = append(out, g.Scope)
				}
			}
		}
	}
	return out
}

// PullRole reports whether a role is there for pulling images: it names registries, and not only everything.
func PullRole(e *estate.Estate, role azure.GUID) bool {
	r, ok := e.Policy.Role(role)
	if !ok || !r.Grants(pullActions[0], false) && !r.Grants(pullDataActions[0], true) {
		return false
	}
	for _, p := range r.Permissions {
		for _, pattern := range slices.Concat(p.Actions, p.DataActions) {
			if strings.HasPrefix(strings.ToLower(pattern), "microsoft.containerregistry/") {
				return true
			}
		}
	}
	return false
}
