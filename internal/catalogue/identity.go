package catalogue

import (
	"iter"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// kubeletIdentity: AKS puts a brought kubelet identity on the scale sets as the control plane identity. The kubelet identity
// that AKS makes lies in the node resource group, where it needs no further grant.
var kubeletIdentity = Requirement{
	ID:      "kubelet-identity-assign",
	Feature: "brought kubelet identity",
	Breaks:  "updates and upgrades of the cluster fail with CustomKubeletIdentityMissingPermissionError",
	Source:  "pre-created-kubelet-managed-identity",
	Actor:   estate.ControlPlane,
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		id, ok := e.Actor(c, estate.Kubelet, "")
		if ok && !id.Resource.IsZero() && !c.NodeGroup().Contains(id.Resource) {
			scopes = append(scopes, id.Resource)
		}
		return each(scopes, Need{
			Actions: verbs("Microsoft.ManagedIdentity/userAssignedIdentities", "read", "assign/action"),
			Phase:   Update, Certainty: Now, Role: roleManagedIdentityOperator,
		})
	},
}
