package provider

import (
	"cmp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

func machines() []arm.Type {
	return []arm.Type{
		{
			Name: typeVM, Tracked: true, Identity: true, PutMerges: true, Check: checkVM, Deleted: vmDeleted, View: viewVM,
			Links: slices.Concat(machineLinks("properties.", "properties."), diskLinks("properties.storageProfile."), []arm.Link{
				{Path: "properties.networkProfile.networkInterfaces[].id", Action: joinNIC},
				{Path: "properties.availabilitySet.id"}, {Path: "properties.host.id"}, {Path: "properties.virtualMachineScaleSet.id"}}),
			Actions: powerActions(itself, nil),
		},
		{Name: typeVM + "/instanceView", ReadOnly: true, Single: true, Get: machineInstanceView},
		{Name: typeVM + "/vmSizes", ReadOnly: true, List: listSizes},
		{Name: typeVM + "/extensions", Tracked: true, Check: checkExtension},
	}
}

// machineLinks are the references that machines and scale sets have in common; in a scale set most stand in its profile.
func machineLinks(profile, top string) []arm.Link {
	return []arm.Link{
		{Path: profile + "storageProfile.osDisk.managedDisk.diskEncryptionSet.id", Action: readDES},
		{Path: profile + "storageProfile.dataDisks[].managedDisk.diskEncryptionSet.id", Action: readDES},
		{Path: profile + "capacityReservation.capacityReservationGroup.id", Action: deployReserve},
		{Path: top + "proximityPlacementGroup.id"},
		{Path: top + "hostGroup.id", Action: readHostGroup},
	}
}

// diskLinks are a machine's disks: who attaches one must be allowed to write it (azure-facts 2.3, Azure Disk).
func diskLinks(storage string) []arm.Link {
	return []arm.Link{{Path: storage + "osDisk.managedDisk.id", Action: writeDisk}, {Path: storage + "dataDisks[].managedDisk.id", Action: writeDisk}}
}

// fillLinux spells out how a Linux machine is set up.
func fillLinux(d arm.Doc) {
	arm.Default(d, "provisionVMAgent", true)
	arm.Default(d, "patchSettings.patchMode", "ImageDefault")
	arm.Default(d, "patchSettings.assessmentMode", "ImageDefault")
	arm.Default(d, "enableVMAgentPlatformUpdates", false)
}

func checkVM(c *arm.Call) *azure.Error {
	keepOld(c, "properties.vmId", azure.NewGUID().String())
	keepOld(c, "properties.timeCreated", stamp(c.Now))
	for _, path := range []string{"properties.hardwareProfile.vmSize", "properties.networkProfile", "properties.storageProfile"} {
		if err := needed(c, path); err != nil {
			return err
		}
	}
	if err := checkSize(c, "properties.hardwareProfile.vmSize"); err != nil {
		return err
	}
	dropNulls(arm.Map(c.Doc, "properties"))
	for _, nic := range objects(c.Doc, "properties.networkProfile.networkInterfaces") {
		if len(arm.Map(nic, "properties")) == 0 {
			delete(nic, "properties")
		}
	}
	arm.Unset(c.Doc, "properties.instanceView")
	arm.Unset(c.Doc, "resources")
	hideSecrets(arm.Map(c.Doc, "properties"))
	if c.Old == nil {
		arm.Set(c.Doc, power, running)
	} else if changed(c, "properties.osProfile.computerName") {
		return changeRefused("osProfile.computerName")
	} else if v := arm.Get(c.Old, "properties.storageProfile.osDisk"); v != nil {
		arm.Set(c.Doc, "properties.storageProfile.osDisk", v)
	}
	if arm.Map(c.Doc, "properties.osProfile") != nil {
		arm.Default(c.Doc, "properties.osProfile.computerName", c.ID.Name())
		arm.Default(c.Doc, "properties.osProfile.secrets", []any{})
		arm.Default(c.Doc, "properties.osProfile.allowExtensionOperations", true)
		arm.Default(c.Doc, "properties.osProfile.requireGuestProvisionSignal", true)
		if linux := arm.Map(c.Doc, "properties.osProfile.linuxConfiguration"); linux != nil {
			fillLinux(linux)
		}
	}
	if v := arm.Str(c.Doc, "properties.storageProfile.imageReference.version"); v != "" {
		arm.Set(c.Doc, "properties.storageProfile.imageReference.exactVersion", exactVersion(arm.Map(c.Doc, "properties.storageProfile.imageReference")))
	}
	for _, step := range []check{checkInterfaces, checkOSDisk} {
		if err := step(c); err != nil {
			return err
		}
	}
	return attachDisks(c, arm.Str(c.Doc, "properties.hardwareProfile.vmSize"))
}

// checkInterfaces refuses interfaces that another machine has.
func checkInterfaces(c *arm.Call) *azure.Error {
	nics := objects(c.Doc, "properties.networkProfile.networkInterfaces")
	for i, n := range nics {
		id, err := azure.ParseID(arm.Str(n, "id"))
		if err != nil {
			continue // a link says so
		}
		for user, err := range c.Users(id) {
			if err != nil {
				return arm.Fault(err)
			}
			if isMachine(user) && !user.Equal(c.ID) {
				return azure.InterfaceInUse.Format(azure.Fields{"id": id.String(), "user": user.String()})
			}
		}
		if len(nics) > 1 && arm.Get(n, "properties.primary") == nil {
			arm.Set(n, "properties.primary", i == 0)
		}
	}
	return nil
}

// checkOSDisk makes the disk that a machine starts from, unless it brings one or keeps it on its host.
func checkOSDisk(c *arm.Call) *azure.Error {
	d := arm.Map(c.Doc, "properties.storageProfile.osDisk")
	if d == nil || arm.Str(d, "managedDisk.id") != "" || arm.Str(d, "vhd.uri") != "" || arm.Str(d, "diffDiskSettings.option") != "" {
		return nil
	}
	arm.Default(d, "osType", "Linux")
	arm.Default(d, "deleteOption", "Detach")
	if strings.EqualFold(c.ID.Type(), typeInstance) {
		arm.Set(d, "deleteOption", "Delete")
	}
	name := cmp.Or(arm.Str(d, "name"), diskName(c.ID, "_OsDisk_1_"))
	return makeDisk(c, d, name, "FromImage")
}

// vmDeleted removes what a machine takes along.
func vmDeleted(c *arm.Call) *azure.Error {
	if err := dropDisks(c); err != nil {
		return err
	}
	for _, n := range objects(c.Old, "properties.networkProfile.networkInterfaces") {
		if id, err := azure.ParseID(arm.Str(n, "id")); err == nil && strings.EqualFold(arm.Str(n, "properties.deleteOption"), "Delete") {
			if err := c.DropPart(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropDisks removes the disks that go with a machine.
func dropDisks(c *arm.Call) *azure.Error {
	all := objects(c.Old, "properties.storageProfile.dataDisks")
	if d := arm.Map(c.Old, "properties.storageProfile.osDisk"); d != nil {
		all = append(all, d)
	}
	for _, d := range all {
		id, err := azure.ParseID(arm.Str(d, "managedDisk.id"))
		if err != nil || !strings.EqualFold(arm.Str(d, "deleteOption"), "Delete") {
			continue
		}
		if err := c.DropPart(id); err != nil {
			return err
		}
	}
	return nil
}

func viewVM(c *arm.Call, d arm.Doc) {
	id := azure.MustID(arm.Str(d, "id"))
	if strings.Contains(lower(c.Param("$expand")), "instanceview") || strings.EqualFold(c.Param("statusOnly"), "true") {
		stored, _ := c.Load(id)
		arm.Set(d, "properties.instanceView", instanceView(c, stored))
	}
	var extensions []any
	for e, err := range c.Resources(id, typeVM+"/extensions") {
		if err != nil {
			return
		}
		delete(e, "_")
		extensions = append(extensions, e)
	}
	if extensions != nil {
		d["resources"] = extensions
	}
}

func checkExtension(c *arm.Call) *azure.Error {
	for _, k := range []string{"publisher", "type", "typeHandlerVersion"} {
		if err := needed(c, "properties."+k); err != nil {
			return err
		}
	}
	arm.Unset(c.Doc, "properties.protectedSettings")
	arm.Default(c.Doc, "properties.autoUpgradeMinorVersion", false)
	return nil
}

// itself is a machine's own document, for actions on one machine.
func itself(c *arm.Call, fn func(arm.Doc) *azure.Error) *azure.Error { return fn(c.Doc) }

// powerActions are what switches machines on and off; each names the machines that it is about.
func powerActions(each func(*arm.Call, func(arm.Doc) *azure.Error) *azure.Error, more map[string]arm.Action) map[string]arm.Action {
	all := map[string]arm.Action{}
	for verb, state := range map[string]string{"start": running, "restart": running, "powerOff": stopped, "deallocate": deallocated, "redeploy": running,
		"reimage": running, "reimageAll": running, "reapply": "", "performMaintenance": ""} {
		all[lower(verb)] = arm.Action{Write: true, After: arm.Async | arm.Located | arm.Notifying, Do: func(c *arm.Call) (any, *azure.Error) {
			return nil, each(c, func(d arm.Doc) *azure.Error {
				if state == "" {
					return nil
				}
				arm.Set(d, power, state)
				return arm.Fault(c.Seed(azure.MustID(arm.Str(d, "id")), d))
			})
		}}
	}
	for verb, a := range more {
		all[verb] = a
	}
	return all
}

func provisioned(c *arm.Call) arm.Doc {
	return arm.Doc{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": stamp(c.Now)}
}

// instanceView is how a machine runs.
func instanceView(c *arm.Call, machine arm.Doc) arm.Doc {
	state := cmp.Or(arm.Str(machine, power), running)
	v := arm.Doc{
		"computerName": arm.Str(machine, "properties.osProfile.computerName"), "osName": "ubuntu", "osVersion": "22.04", "hyperVGeneration": "V2",
		"statuses": []any{provisioned(c), arm.Doc{"code": "PowerState/" + state, "level": "Info", "displayStatus": "VM " + state}}}
	if strings.EqualFold(azure.MustID(arm.Str(machine, "id")).Type(), typeInstance) || arm.Get(machine, "properties.availabilitySet") != nil {
		v["platformUpdateDomain"], v["platformFaultDomain"] = 0, 0
	}
	if state == running {
		v["vmAgent"] = arm.Doc{"vmAgentVersion": "2.9.1.1", "extensionHandlers": []any{}, "statuses": []any{arm.Doc{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready", "message": "Guest Agent is running", "time": stamp(c.Now)}}}
	}
	var disks []any
	all := objects(machine, "properties.storageProfile.dataDisks")
	if d := arm.Map(machine, "properties.storageProfile.osDisk"); d != nil {
		all = append([]arm.Doc{d}, all...)
	}
	for _, d := range all {
		disks = append(disks, arm.Doc{"name": arm.Str(d, "name"), "statuses": []any{provisioned(c)}})
	}
	if disks != nil {
		v["disks"] = disks
	}
	return v
}

// machineInstanceView answers …/instanceView of a machine or an instance.
func machineInstanceView(c *arm.Call) (arm.Doc, *azure.Error) {
	id := c.ID.Parent()
	d, err := c.Load(id)
	if err != nil {
		return nil, arm.Fault(err)
	}
	if d == nil {
		return nil, azure.ResourceNotFound.Format(azure.Fields{"resource": strings.TrimPrefix(id.String(), id.GroupID().String()+"/providers/"), "group": id.ResourceGroup()})
	}
	return instanceView(c, d), nil
}
