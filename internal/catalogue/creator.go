package catalogue

import (
	"iter"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Azure checks what a cluster refers to against whoever writes it: a person or a pipeline, at creation and at every update.
// Who that is no cluster says; these needs are looked at where the user names them.

const creatorSource = "aks-service-permissions, MicrosoftDocs/azure-docs#99935"

// creatorCluster: an update puts the whole cluster.
var creatorCluster = Requirement{
	ID:      "cluster-write",
	Feature: "creating and updating the cluster",
	Breaks:  "creating, updating and upgrading the cluster fail with AuthorizationFailed",
	Source:  creatorSource,
	Actor:   estate.Creator,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(some(c.ID), Need{Actions: verbs(estate.TypeCluster, "read", "write"), Phase: Update, Certainty: Now, Role: roleAKSContributor})
	},
}

var creatorSubnets = Requirement{
	ID:      "subnets",
	Feature: "naming brought subnets in the cluster",
	Breaks:  "creating and updating the cluster fail with LinkedAuthorizationFailed on subnets/join/action",
	Source:  creatorSource,
	Actor:   estate.Creator,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		subnets := c.Subnets()
		if api := c.APIServerSubnet(); !api.IsZero() && !slices.ContainsFunc(subnets, api.Equal) {
			subnets = append(subnets, api)
		}
		return each(subnets, Need{Actions: verbs(estate.TypeSubnet, "join/action"), Phase: Update, Certainty: Now, Role: roleNetworkContributor})
	},
}

var creatorAddresses = Requirement{
	ID:      "outbound-ips",
	Feature: "naming brought outbound IPs in the cluster",
	Breaks:  "creating and updating the cluster fail with LinkedAuthorizationFailed on join/action of {target}",
	Source:  creatorSource,
	Actor:   estate.Creator,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return func(yield func(Need) bool) {
			for _, id := range c.OutboundIPs() {
				if !yield(Need{Scope: id, Actions: verbs(id.Type(), "join/action"), Phase: Update, Certainty: Now, Role: roleNetworkContributor}) {
					return
				}
			}
		}
	},
}

var creatorIdentities = Requirement{
	ID:      "identities",
	Feature: "naming brought identities in the cluster",
	Breaks:  "creating and updating the cluster fail with LinkedAuthorizationFailed on userAssignedIdentities/assign/action",
	Source:  creatorSource,
	Actor:   estate.Creator,
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		for _, id := range e.Identities(c) {
			brought := !id.Resource.IsZero() && !c.NodeGroup().Contains(id.Resource) && (id.Role == estate.ControlPlane || id.Role == estate.Kubelet)
			if brought && !slices.ContainsFunc(scopes, id.Resource.Equal) {
				scopes = append(scopes, id.Resource)
			}
		}
		return each(scopes, Need{Actions: verbs(estate.TypeIdentity, "assign/action"), Phase: Update, Certainty: Now, Role: roleManagedIdentityOperator})
	},
}

var creatorEncryptionSet = Requirement{
	ID:      "encryption-set",
	Feature: "naming a disk encryption set in the cluster",
	Breaks:  "creating and updating the cluster fail with LinkedAuthorizationFailed on diskEncryptionSets/read",
	Source:  creatorSource,
	Actor:   estate.Creator,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(some(c.Link("properties.diskEncryptionSetID")), Need{
			Actions: verbs("Microsoft.Compute/diskEncryptionSets", "read"), Phase: Update, Certainty: Now, Role: roleReader,
		})
	},
}
