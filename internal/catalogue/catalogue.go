// Package catalogue states what the identities of an AKS cluster need, from the documents of AKS and its controllers.
// It is stated here only. What Azure checks is stated elsewhere, by the local Azure, and the two are compared in tests.
package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Requirement is something that one identity of a cluster needs for one feature.
type Requirement struct {
	ID      string              // as in subnet-join; unique together with Actor
	Feature string              // what it is for
	Breaks  string              // what a user sees without it; {target} stands for what the need is about
	Source  string              // the document that says so
	Actor   estate.IdentityRole // who needs it
	AddOn   string              // the add-on, for the role estate.AddOn
	On      []Occasion          // what exercises it, beside what Exercised adds
	// Needs are the needs of one cluster: none where it does not use the feature.
	Needs func(*estate.Estate, *estate.Cluster) iter.Seq[Need]
}

// Need is a requirement at one scope.
type Need struct {
	Scope       azure.ID
	Target      string // how a person calls the scope; "": by its name
	Object      string // the Kubernetes object that it is for, as Named calls it; "": none
	Actions     []azure.Action
	DataActions []azure.Action
	Phase       Phase
	Certainty   Certainty
	Role        string // the built-in role that covers it with the least besides
	// Unsure says why it is not known whether this is needed. With Or, one of the two is needed, and it is not known which.
	Unsure string
	Or     *Need
}

// Phase is when a need is exercised.
type Phase string

// The phases, as the JSON contract spells them.
const (
	Create  Phase = "create"
	Update  Phase = "update"
	Runtime Phase = "runtime"
	Rebuild Phase = "rebuild"
)

// Certainty says whether the cluster as it is exercises a need.
type Certainty string

// Now: the cluster needs it as it is. Maybe: it depends on what cannot be seen, such as Kubernetes objects.
const (
	Now   Certainty = "now"
	Maybe Certainty = "maybe"
)

// Consequence is what a user sees when a need is not met.
func (r *Requirement) Consequence(n Need) string {
	target := n.Target
	if target == "" {
		target = n.Scope.Name()
	}
	return strings.ReplaceAll(r.Breaks, "{target}", target)
}

// All are the requirements, in the order in which they are shown.
func All() []*Requirement { return all }

var all = []*Requirement{
	&nodeGroup,
	&subnetJoin,
	&routeTable,
	&outboundIP,
	&ipBackendPool,
	&apiServerSubnet,
	&privateZone,
	&privateZoneNetwork,
	&defaultZoneNetwork,
	&nodeProvisioningNetwork,
	&diskEncryptionSet,
	&kmsKey,
	&kmsPrivateEndpoint,
	&capacityReservation,
	&hostGroup,
	&serviceAddress,
	&serviceSubnet,
	&privateLinkSubnet,
	&diskAttach,
	&diskProvision,
	&classEncryptionSet,
	&shareProvision,
	&kubeletIdentity,
	&registryPull,
	&bootstrapPull,
	&gateway,
	&gatewaySubnet,
	&routingZone,
	&virtualNodeSubnet,
	&creatorCluster,
	&creatorSubnets,
	&creatorAddresses,
	&creatorIdentities,
	&creatorEncryptionSet,
}

// Built-in roles by their display names, which az takes as they are.
const (
	roleContributor               = "Contributor"
	roleReader                    = "Reader"
	roleNetworkContributor        = "Network Contributor"
	rolePrivateDNSZoneContributor = "Private DNS Zone Contributor"
	roleDNSZoneContributor        = "DNS Zone Contributor"
	roleManagedIdentityOperator   = "Managed Identity Operator"
	roleKeyVaultCryptoUser        = "Key Vault Crypto User"
	roleKeyVaultContributor       = "Key Vault Contributor"
	roleVirtualMachineContributor = "Virtual Machine Contributor"
	roleStorageAccountContributor = "Storage Account Contributor"
	roleAKSContributor            = "Azure Kubernetes Service Contributor Role"
	roleAcrPull                   = "AcrPull"
	roleRepositoryReader          = "Container Registry Repository Reader"
)

// Roles are narrow built-in roles that can take the place of the one that a need names: those that the documents of AKS
// know. Azure has others that would grant even less besides; they belong to other products, and change with them.
func Roles() []string {
	return []string{roleAcrPull, roleRepositoryReader, roleReader, roleManagedIdentityOperator, roleKeyVaultCryptoUser, rolePrivateDNSZoneContributor, roleDNSZoneContributor}
}

// verbs makes the actions of one resource type.
func verbs(typ string, verbs ...string) []azure.Action {
	var out []azure.Action
	for _, v := range verbs {
		out = append(out, azure.Action(typ+"/"+v))
	}
	return out
}

// networks are the virtual networks of subnets, each once.
func networks(subnets []azure.ID) []azure.ID {
	var out []azure.ID
	for _, s := range subnets {
		if vnet := s.Parent(); !vnet.IsZero() && !slices.ContainsFunc(out, vnet.Equal) {
			out = append(out, vnet)
		}
	}
	return out
}

// some are the ids that are there.
func some(ids ...azure.ID) []azure.ID {
	return slices.DeleteFunc(ids, azure.ID.IsZero)
}

// each makes one need of every scope.
func each(scopes []azure.ID, need Need) iter.Seq[Need] {
	return func(yield func(Need) bool) {
		for _, s := range scopes {
			need.Scope = s
			if !yield(need) {
				return
			}
		}
	}
}
