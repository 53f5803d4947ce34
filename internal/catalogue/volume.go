package catalogue

import (
	"iter"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

const (
	diskDriver = "disk.csi.azure.com"
	fileDriver = "file.csi.azure.com"
	typeDisk   = "Microsoft.Compute/disks"
	typeShare  = "Microsoft.Storage/storageAccounts/fileServices/shares"
)

// classes are the storage classes of a driver.
func classes(e *estate.Estate, c *estate.Cluster, driver string) []estate.KubeObject {
	return slices.DeleteFunc(e.Kube(c).Of("StorageClass"), func(o estate.KubeObject) bool { return o.Text("provisioner") != driver })
}

// diskAttach: a volume of a disk that somebody made. What the driver may not read it reports as not found.
var diskAttach = Requirement{
	ID:      "disk-attach",
	Feature: "volumes of disks in another resource group",
	Breaks:  "pods with volume {target} do not start: FailedAttachVolume, the disk is said not to be found",
	Source:  "azure-csi-disk-storage-provision, errors of azuredisk-csi-driver",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Storage},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(e.Kube(c).Of("PersistentVolume"), Need{
			Actions: verbs(typeDisk, "read", "write"), Phase: Runtime, Certainty: Now, Role: roleVirtualMachineContributor,
		}, func(o estate.KubeObject) azure.ID {
			disk, err := azure.ParseID(o.Text("spec.csi.volumeHandle"))
			if err != nil || o.Text("spec.csi.driver") != diskDriver || c.NodeGroup().Contains(disk) {
				return azure.ID{}
			}
			return disk
		})
	},
}

// diskProvision: a storage class may say where disks are made.
var diskProvision = Requirement{
	ID:      "disk-provision",
	Feature: "disks of a storage class in another resource group",
	Breaks:  "volumes of storage class {target} stay pending: ProvisioningFailed with 403 on disks/write",
	Source:  "azure-csi-disk-storage-provision",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Storage},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(classes(e, c, diskDriver), Need{
			Actions: verbs(typeDisk, "read", "write", "delete"), Phase: Runtime, Certainty: Now, Role: roleVirtualMachineContributor,
		}, func(o estate.KubeObject) azure.ID { return foreignGroup(c, o.Text("parameters.resourceGroup")) })
	},
}

// classEncryptionSet: a storage class may name an encryption set of its own.
var classEncryptionSet = Requirement{
	ID:      "class-encryption-set",
	Feature: "disks of a storage class encrypted with a customer's key",
	Breaks:  "volumes of storage class {target} stay pending: ProvisioningFailed with LinkedAuthorizationFailed on diskEncryptionSets/read",
	Source:  "azure-disk-customer-managed-keys",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Storage},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(classes(e, c, diskDriver), Need{
			Actions: verbs("Microsoft.Compute/diskEncryptionSets", "read"), Phase: Runtime, Certainty: Now, Role: roleReader,
		}, func(o estate.KubeObject) azure.ID {
			set, _ := azure.ParseID(o.Text("parameters.diskEncryptionSetID"))
			return set
		})
	},
}

// shareProvision: a storage class may say where storage accounts are, or are made.
var shareProvision = Requirement{
	ID:      "share-provision",
	Feature: "file shares of a storage class in another resource group",
	Breaks:  "volumes of storage class {target} stay pending: ProvisioningFailed with 403 on storageAccounts/listKeys/action",
	Source:  "create-volume-azure-files",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Storage},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(classes(e, c, fileDriver), Need{
			Actions: slices.Concat(verbs("Microsoft.Storage/storageAccounts", "read", "listKeys/action"), verbs(typeShare, "read", "write", "delete")),
			Phase:   Runtime, Certainty: Now, Role: roleStorageAccountContributor,
		}, func(o estate.KubeObject) azure.ID {
			group := foreignGroup(c, o.Text("parameters.resourceGroup"))
			if account := o.Text("parameters.storageAccount"); account != "" && !group.IsZero() {
				return group.Resource("Microsoft.Storage/storageAccounts", account)
			}
			return group
		})
	},
}
