package catalogue

import (
	"iter"

	"aksid/internal/estate"
)

// diskEncryptionSet: the disk driver names the set on every disk that it makes, and Azure checks that it may read it.
var diskEncryptionSet = Requirement{
	ID:      "disk-encryption-set",
	Feature: "disks encrypted with a customer's key",
	Breaks:  "volumes stay pending: ProvisioningFailed with LinkedAuthorizationFailed on diskEncryptionSets/read",
	Source:  "azure-disk-customer-managed-keys",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Storage},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(some(c.Link("properties.diskEncryptionSetID")), Need{
			Actions: verbs("Microsoft.Compute/diskEncryptionSets", "read"), Phase: Runtime, Certainty: Now, Role: roleReader,
		})
	},
}

// capacityReservation: the documents ask for Contributor; that these two actions are enough is inferred from what
// Azure checks when a machine is put into a group.
var capacityReservation = Requirement{
	ID:      "capacity-reservation",
	Feature: "node pools with reserved capacity",
	Breaks:  "node pools cannot be created or scaled in capacity reservation group {target}",
	Source:  "use-capacity-reservation-groups",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(c.PoolLinks("capacityReservationGroupID"), Need{
			Actions: verbs("Microsoft.Compute/capacityReservationGroups", "read", "deploy/action"), Phase: Runtime, Certainty: Now, Role: roleContributor,
		})
	},
}

// hostGroup: as capacityReservation.
var hostGroup = Requirement{
	ID:      "host-group",
	Feature: "node pools on dedicated hosts",
	Breaks:  "node pools cannot be created or scaled on host group {target}",
	Source:  "use-azure-dedicated-hosts",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(c.PoolLinks("hostGroupID"), Need{
			Actions: verbs("Microsoft.Compute/hostGroups", "read"), Phase: Runtime, Certainty: Now, Role: roleReader,
		})
	},
}
