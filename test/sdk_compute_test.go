package test

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
)

func computeClients(ctx context.Context, sub string) error {
	s, err := newSession(ctx, sub)
	if err != nil {
		return err
	}
	for _, step := range []func() error{s.storage, s.placement, s.scaleSet, s.machine, s.region} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// storage are disks, snapshots and encryption sets.
func (s *session) storage() error {
	des := armcompute.DiskEncryptionSet{Location: to.Ptr(sdkPlace), Identity: &armcompute.EncryptionSetIdentity{Type: to.Ptr(armcompute.DiskEncryptionSetIdentityTypeSystemAssigned)},
		Properties: &armcompute.EncryptionSetProperties{ActiveKey: &armcompute.KeyForDiskEncryptionSet{KeyURL: to.Ptr("https://kv.vault.azure.net/keys/k/1")}}}
	sets := s.compute.NewDiskEncryptionSetsClient()
	p1, err := sets.BeginCreateOrUpdate(s, sdkGroup, "des", des, nil)
	err = done(s, p1, err)
	r1, err2 := sets.Get(s, sdkGroup, "des", nil)
	if err := compare("diskEncryptionSets", des, err, r1.DiskEncryptionSet, err2); err != nil {
		return err
	}
	disk := armcompute.Disk{Location: to.Ptr(sdkPlace), SKU: &armcompute.DiskSKU{Name: to.Ptr(armcompute.DiskStorageAccountTypesPremiumLRS)}, Properties: &armcompute.DiskProperties{CreationData: &armcompute.CreationData{CreateOption: to.Ptr(armcompute.DiskCreateOptionEmpty)},
		DiskSizeGB: to.Ptr[int32](64), Encryption: &armcompute.Encryption{DiskEncryptionSetID: r1.ID, Type: to.Ptr(armcompute.EncryptionTypeEncryptionAtRestWithCustomerKey)}}}
	disks := s.compute.NewDisksClient()
	p2, err := disks.BeginCreateOrUpdate(s, sdkGroup, "disk", disk, nil)
	err = done(s, p2, err)
	r2, err2 := disks.Get(s, sdkGroup, "disk", nil)
	if err := compare("disks", disk, err, r2.Disk, err2); err != nil {
		return err
	}
	p3, err := disks.BeginUpdate(s, sdkGroup, "disk", armcompute.DiskUpdate{Properties: &armcompute.DiskUpdateProperties{DiskSizeGB: to.Ptr[int32](128)}}, nil)
	if err := done(s, p3, err); err != nil {
		return err
	}
	snapshot := armcompute.Snapshot{Location: to.Ptr(sdkPlace), Properties: &armcompute.SnapshotProperties{Incremental: to.Ptr(true), DiskSizeGB: to.Ptr[int32](128), CreationData: &armcompute.CreationData{CreateOption: to.Ptr(armcompute.DiskCreateOptionCopy), SourceResourceID: r2.ID}}}
	snapshots := s.compute.NewSnapshotsClient()
	p4, err := snapshots.BeginCreateOrUpdate(s, sdkGroup, "snap", snapshot, nil)
	err = done(s, p4, err)
	r4, err2 := snapshots.Get(s, sdkGroup, "snap", nil)
	return compare("snapshots", snapshot, err, r4.Snapshot, err2)
}

func (s *session) placement() error {
	ppg := armcompute.ProximityPlacementGroup{Location: to.Ptr(sdkPlace)}
	ppgs := s.compute.NewProximityPlacementGroupsClient()
	_, err := ppgs.CreateOrUpdate(s, sdkGroup, "ppg", ppg, nil)
	r1, err2 := ppgs.Get(s, sdkGroup, "ppg", nil)
	if err := compare("proximityPlacementGroups", ppg, err, r1.ProximityPlacementGroup, err2); err != nil {
		return err
	}
	as := armcompute.AvailabilitySet{Location: to.Ptr(sdkPlace), SKU: &armcompute.SKU{Name: to.Ptr("Aligned")}, Properties: &armcompute.AvailabilitySetProperties{PlatformFaultDomainCount: to.Ptr[int32](3), ProximityPlacementGroup: &armcompute.SubResource{ID: r1.ID}}}
	sets := s.compute.NewAvailabilitySetsClient()
	_, err = sets.CreateOrUpdate(s, sdkGroup, "as", as, nil)
	r2, err2 := sets.Get(s, sdkGroup, "as", nil)
	if err := compare("availabilitySets", as, err, r2.AvailabilitySet, err2); err != nil {
		return err
	}
	crg := armcompute.CapacityReservationGroup{Location: to.Ptr(sdkPlace), Zones: []*string{to.Ptr("1")}}
	groups := s.compute.NewCapacityReservationGroupsClient()
	_, err = groups.CreateOrUpdate(s, sdkGroup, "crg", crg, nil)
	r3, err2 := groups.Get(s, sdkGroup, "crg", nil)
	if err := compare("capacityReservationGroups", crg, err, r3.CapacityReservationGroup, err2); err != nil {
		return err
	}
	cr := armcompute.CapacityReservation{Location: to.Ptr(sdkPlace), SKU: &armcompute.SKU{Name: to.Ptr("Standard_D2s_v3"), Capacity: to.Ptr[int64](4)}, Zones: []*string{to.Ptr("1")}}
	reservations := s.compute.NewCapacityReservationsClient()
	p4, err := reservations.BeginCreateOrUpdate(s, sdkGroup, "crg", "cr", cr, nil)
	err = done(s, p4, err)
	r4, err2 := reservations.Get(s, sdkGroup, "crg", "cr", nil)
	if err := compare("capacityReservations", cr, err, r4.CapacityReservation, err2); err != nil {
		return err
	}
	hg := armcompute.DedicatedHostGroup{Location: to.Ptr(sdkPlace), Properties: &armcompute.DedicatedHostGroupProperties{PlatformFaultDomainCount: to.Ptr[int32](1)}}
	hostGroups := s.compute.NewDedicatedHostGroupsClient()
	_, err = hostGroups.CreateOrUpdate(s, sdkGroup, "hg", hg, nil)
	r5, err2 := hostGroups.Get(s, sdkGroup, "hg", nil)
	if err := compare("hostGroups", hg, err, r5.DedicatedHostGroup, err2); err != nil {
		return err
	}
	host := armcompute.DedicatedHost{Location: to.Ptr(sdkPlace), SKU: &armcompute.SKU{Name: to.Ptr("DSv3-Type1")}, Properties: &armcompute.DedicatedHostProperties{PlatformFaultDomain: to.Ptr[int32](0)}}
	hosts := s.compute.NewDedicatedHostsClient()
	p6, err := hosts.BeginCreateOrUpdate(s, sdkGroup, "hg", "host", host, nil)
	err = done(s, p6, err)
	r6, err2 := hosts.Get(s, sdkGroup, "hg", "host", nil)
	return compare("hosts", host, err, r6.DedicatedHost, err2)
}

func (s *session) scaleSet() error {
	vnets := s.network.NewVirtualNetworksClient()
	p0, err := vnets.BeginCreateOrUpdate(s, sdkGroup, "vnet", armnetwork.VirtualNetwork{Location: to.Ptr(sdkPlace), Properties: &armnetwork.VirtualNetworkPropertiesFormat{AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{to.Ptr("10.0.0.0/16")}},
		Subnets: []*armnetwork.Subnet{{Name: to.Ptr("snet"), Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr("10.0.0.0/22")}}}}}, nil)
	if err := done(s, p0, err); err != nil {
		return err
	}
	subnet := s.id("Microsoft.Network/virtualNetworks/subnets", "vnet", "snet")
	set := armcompute.VirtualMachineScaleSet{Location: to.Ptr(sdkPlace), SKU: &armcompute.SKU{Name: to.Ptr("Standard_D2s_v3"), Capacity: to.Ptr[int64](2)}, Properties: &armcompute.VirtualMachineScaleSetProperties{
		UpgradePolicy: &armcompute.UpgradePolicy{Mode: to.Ptr(armcompute.UpgradeModeManual)}, SinglePlacementGroup: to.Ptr(false), Overprovision: to.Ptr(false),
		VirtualMachineProfile: &armcompute.VirtualMachineScaleSetVMProfile{OSProfile: &armcompute.VirtualMachineScaleSetOSProfile{ComputerNamePrefix: to.Ptr("np"), AdminUsername: to.Ptr("u")},
			NetworkProfile: &armcompute.VirtualMachineScaleSetNetworkProfile{NetworkInterfaceConfigurations: []*armcompute.VirtualMachineScaleSetNetworkConfiguration{{Name: to.Ptr("nic"), Properties: &armcompute.VirtualMachineScaleSetNetworkConfigurationProperties{Primary: to.Ptr(true),
				IPConfigurations: []*armcompute.VirtualMachineScaleSetIPConfiguration{{Name: to.Ptr("c"), Properties: &armcompute.VirtualMachineScaleSetIPConfigurationProperties{Subnet: &armcompute.APIEntityReference{ID: &subnet}}}}}}}}}}}
	sets := s.compute.NewVirtualMachineScaleSetsClient()
	p1, err := sets.BeginCreateOrUpdate(s, sdkGroup, "set", set, nil)
	err = done(s, p1, err)
	r1, err2 := sets.Get(s, sdkGroup, "set", nil)
	if err := compare("virtualMachineScaleSets", set, err, r1.VirtualMachineScaleSet, err2); err != nil {
		return err
	}
	vms := s.compute.NewVirtualMachineScaleSetVMsClient()
	n := 0
	for pager := vms.NewListPager(sdkGroup, "set", &armcompute.VirtualMachineScaleSetVMsClientListOptions{Expand: to.Ptr("instanceView")}); pager.More(); {
		page, err := pager.NextPage(s)
		if err != nil {
			return err
		}
		for _, vm := range page.Value {
			if vm.InstanceID == nil || vm.Properties.InstanceView == nil || vm.Properties.OSProfile.ComputerName == nil {
				return fmt.Errorf("an instance lacks members: %v", plain(vm))
			}
			n++
		}
	}
	if n != 2 {
		return fmt.Errorf("%d instances", n)
	}
	change := armcompute.VirtualMachineScaleSetVM{Location: to.Ptr(sdkPlace), Properties: &armcompute.VirtualMachineScaleSetVMProperties{StorageProfile: &armcompute.StorageProfile{DataDisks: []*armcompute.DataDisk{{Lun: to.Ptr[int32](1), CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesAttach),
		ManagedDisk: &armcompute.ManagedDiskParameters{ID: to.Ptr(s.id("Microsoft.Compute/disks", "disk"))}}}}}}
	p2, err := vms.BeginUpdate(s, sdkGroup, "set", "0", change, nil)
	err = done(s, p2, err)
	r2, err2 := vms.Get(s, sdkGroup, "set", "0", nil)
	if err := compare("virtualMachineScaleSets/virtualMachines", change, err, r2.VirtualMachineScaleSetVM, err2); err != nil {
		return err
	}
	nics := s.network.NewInterfacesClient()
	nic, err := nics.GetVirtualMachineScaleSetNetworkInterface(s, sdkGroup, "set", "0", "nic", nil)
	if err != nil || nic.Properties.IPConfigurations[0].Properties.PrivateIPAddress == nil {
		return fmt.Errorf("the instance's interface: %v %v", plain(nic.Interface), err)
	}
	p3, err := sets.BeginDeleteInstances(s, sdkGroup, "set", armcompute.VirtualMachineScaleSetVMInstanceRequiredIDs{InstanceIDs: []*string{to.Ptr("1")}}, nil)
	if err := done(s, p3, err); err != nil {
		return err
	}
	p4, err := sets.BeginDelete(s, sdkGroup, "set", nil)
	return done(s, p4, err)
}

func (s *session) machine() error {
	subnet := s.id("Microsoft.Network/virtualNetworks/subnets", "vnet", "snet")
	nics := s.network.NewInterfacesClient()
	p0, err := nics.BeginCreateOrUpdate(s, sdkGroup, "nic", armnetwork.Interface{Location: to.Ptr(sdkPlace), Properties: &armnetwork.InterfacePropertiesFormat{IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Name: to.Ptr("c"), Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{Subnet: &armnetwork.Subnet{ID: &subnet}}}}}}, nil)
	if err := done(s, p0, err); err != nil {
		return err
	}
	vm := armcompute.VirtualMachine{Location: to.Ptr(sdkPlace), Identity: &armcompute.VirtualMachineIdentity{Type: to.Ptr(armcompute.ResourceIdentityTypeSystemAssigned)}, Properties: &armcompute.VirtualMachineProperties{HardwareProfile: &armcompute.HardwareProfile{VMSize: to.Ptr(armcompute.VirtualMachineSizeTypesStandardDS2V2)},
		AvailabilitySet: s.com("Microsoft.Compute/availabilitySets", "as"), OSProfile: &armcompute.OSProfile{ComputerName: to.Ptr("vm"), AdminUsername: to.Ptr("u")},
		StorageProfile: &armcompute.StorageProfile{ImageReference: &armcompute.ImageReference{Publisher: to.Ptr("Canonical"), Offer: to.Ptr("0001-com-ubuntu-server-jammy"), SKU: to.Ptr("22_04-lts"), Version: to.Ptr("latest")},
			OSDisk:    &armcompute.OSDisk{CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesFromImage), DeleteOption: to.Ptr(armcompute.DiskDeleteOptionTypesDelete)},
			DataDisks: []*armcompute.DataDisk{{Lun: to.Ptr[int32](0), CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesEmpty), DiskSizeGB: to.Ptr[int32](8), DeleteOption: to.Ptr(armcompute.DiskDeleteOptionTypesDelete)}}},
		NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{ID: to.Ptr(s.id("Microsoft.Network/networkInterfaces", "nic"))}}}}}
	vms := s.compute.NewVirtualMachinesClient()
	p1, err := vms.BeginCreateOrUpdate(s, sdkGroup, "vm", vm, nil)
	err = done(s, p1, err)
	r1, err2 := vms.Get(s, sdkGroup, "vm", &armcompute.VirtualMachinesClientGetOptions{Expand: to.Ptr(armcompute.InstanceViewTypesInstanceView)})
	if err := compare("virtualMachines", vm, err, r1.VirtualMachine, err2); err != nil {
		return err
	}
	ext := armcompute.VirtualMachineExtension{Location: to.Ptr(sdkPlace), Properties: &armcompute.VirtualMachineExtensionProperties{Publisher: to.Ptr("Microsoft.Azure.Extensions"), Type: to.Ptr("CustomScript"), TypeHandlerVersion: to.Ptr("2.1"), Settings: map[string]any{"commandToExecute": "true"}}}
	exts := s.compute.NewVirtualMachineExtensionsClient()
	p2, err := exts.BeginCreateOrUpdate(s, sdkGroup, "vm", "ext", ext, nil)
	err = done(s, p2, err)
	r2, err2 := exts.Get(s, sdkGroup, "vm", "ext", nil)
	if err := compare("virtualMachines/extensions", ext, err, r2.VirtualMachineExtension, err2); err != nil {
		return err
	}
	p3, err := vms.BeginDeallocate(s, sdkGroup, "vm", nil)
	if err := done(s, p3, err); err != nil {
		return err
	}
	view, err := vms.InstanceView(s, sdkGroup, "vm", nil)
	if err != nil || *view.Statuses[1].Code != "PowerState/deallocated" {
		return fmt.Errorf("the instance view: %v %v", plain(view.VirtualMachineInstanceView), err)
	}
	p4, err := vms.BeginDelete(s, sdkGroup, "vm", nil)
	return done(s, p4, err)
}

func (s *session) region() error {
	sizes, err := s.compute.NewVirtualMachineSizesClient().NewListPager(sdkPlace, nil).NextPage(s)
	if err != nil || len(sizes.Value) == 0 {
		return fmt.Errorf("sizes: %d %w", len(sizes.Value), err)
	}
	skus, err := s.compute.NewResourceSKUsClient().NewListPager(&armcompute.ResourceSKUsClientListOptions{Filter: to.Ptr("location eq 'westeurope'")}).NextPage(s)
	if err != nil || len(skus.Value) == 0 {
		return fmt.Errorf("SKUs: %d %w", len(skus.Value), err)
	}
	usage, err := s.compute.NewUsageClient().NewListPager(sdkPlace, nil).NextPage(s)
	if err != nil || len(usage.Value) == 0 {
		return fmt.Errorf("usage: %d %w", len(usage.Value), err)
	}
	return nil
}
