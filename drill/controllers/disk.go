package controllers

import (
	"errors"
	"fmt"
	"path"

	//lint:ignore SA1019 the provider's interface is made of these types
	"github.com/Azure/azure-sdk-for-go/services/compute/mgmt/2019-12-01/compute"
	"k8s.io/apimachinery/pkg/types"
	provider "k8s.io/legacy-cloud-providers/azure"

	"aksid/internal/drill/act"
)

// Kubernetes 1.29 has no in-tree controllers of Azure disks any more. The provider still has what they called; the events
// are in the words of the controllers that called it (persistentvolume and attachdetach, up to 1.23).

func (c *Cluster) createDisk(step act.Step) (string, error) {
	id, err := c.cloud.CreateManagedDisk(&provider.ManagedDiskOptions{
		DiskName: step.Name, SizeGB: 4, ResourceGroup: step.Group, StorageAccountType: compute.StandardSSDLRS,
		DiskEncryptionSetID: step.DiskEncryptionSet,
	})
	if err != nil {
		return "", c.warn("PersistentVolumeClaim/"+step.Name, "persistentvolume-controller", "ProvisioningFailed",
			fmt.Sprintf("Failed to provision volume with StorageClass %q: %v", "managed", err))
	}
	return id, nil
}

func (c *Cluster) attachDisk(step act.Step) (string, error) {
	name := path.Base(step.Disk)
	_, err := c.cloud.AttachDisk(true, name, step.Disk, types.NodeName(step.Node), compute.CachingTypesReadOnly)
	if err != nil {
		return "", c.warn("Pod/drill", "attachdetach-controller", "FailedAttachVolume", fmt.Sprintf("AttachVolume.Attach failed for volume %q : %v", name, err))
	}
	return "", nil
}

// detachDisk and deleteDisk: of a disk that stays attached, or of a volume that is not deleted, a claim's events say nothing.
func (c *Cluster) detachDisk(step act.Step) (string, error) {
	return "", c.cloud.DetachDisk(path.Base(step.Disk), step.Disk, types.NodeName(step.Node))
}

func (c *Cluster) deleteDisk(step act.Step) (string, error) {
	if err := c.cloud.DeleteManagedDisk(step.Disk); err != nil {
		return "", c.warn("PersistentVolume/"+path.Base(step.Disk), "persistentvolume-controller", "VolumeFailedDelete", err.Error())
	}
	return "", nil
}

// warn notes an event in the words of the controller that writes it. These are the error too.
func (c *Cluster) warn(object, source, reason, message string) error {
	c.record.change(func() {
		c.record.events = append(c.record.events, act.Event{Type: "Warning", Reason: reason, Message: message, Object: object, Source: source})
	})
	return errors.New(message)
}
