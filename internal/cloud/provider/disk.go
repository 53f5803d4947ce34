package provider

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

func disks() []arm.Type {
	codes := arm.Codes{Create: 202, Update: 202, Delete: 202} // clients refuse 201
	later := arm.Receipts{Write: arm.Async | arm.Located, Delete: arm.Async | arm.Located}
	source := []arm.Link{
		{Path: "properties.encryption.diskEncryptionSetId", Action: readDES},
		{Path: "properties.creationData.sourceResourceId", Action: accessDisk},
		{Path: "properties.diskAccessId"},
	}
	owner := []string{"virtualMachines"}
	return []arm.Type{
		{Name: typeDisk, Tracked: true, Codes: codes, Receipts: later, InUseBy: map[string]*azure.Message{"virtualmachines": azure.DiskAttached}, Links: source, Check: checkDisk, View: viewDisk,
			Keep: []string{"properties.creationData", "properties.diskSizeGB", "sku", "properties.encryption", "properties.osType", "properties.hyperVGeneration", "zones", "properties.maxShares"},
			Back: []arm.Back{{Path: "managedBy", From: owner, Form: arm.OnlyID}}},
		{Name: typeSnapshot, Tracked: true, Codes: codes, Receipts: later, Links: source, Check: checkSnapshot,
			Keep: []string{"properties.creationData", "properties.diskSizeGB", "sku", "properties.encryption", "properties.osType", "properties.hyperVGeneration", "properties.incremental"}},
		{Name: typeDES, Tracked: true, Identity: true, Codes: codes, Receipts: later, InUse: azure.ComputeInUse, Check: checkDES, Keep: []string{"properties.activeKey", "properties.encryptionType"}},
	}
}

// diskTiers are the performance tiers of premium disks: up to how many GiB, operations and MB a second (Microsoft Learn: managed disk types).
var diskTiers = []struct {
	name           string
	gib, iops, mbs int
}{
	{"P1", 4, 120, 25}, {"P2", 8, 120, 25}, {"P3", 16, 120, 25}, {"P4", 32, 120, 25}, {"P6", 64, 240, 50}, {"P10", 128, 500, 100}, {"P15", 256, 1100, 125},
	{"P20", 512, 2300, 150}, {"P30", 1024, 5000, 200}, {"P40", 2048, 7500, 250}, {"P50", 4096, 7500, 250}, {"P60", 8192, 16000, 500}, {"P70", 16384, 18000, 750}, {"P80", 32767, 20000, 900},
}

const maxDisk = 65536 // GiB, of an ultra disk

// fillDisk is what disks and snapshots have in common: where they come from, their size, their ids.
func fillDisk(c *arm.Call) *azure.Error {
	if err := needed(c, "properties.creationData"); err != nil {
		return err
	}
	for _, k := range []string{"createOption", "sourceResourceId"} {
		path := "properties.creationData." + k
		if old := arm.Str(c.Old, path); old != "" && !strings.EqualFold(old, arm.Str(c.Doc, path)) {
			err := azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": strings.TrimPrefix(path, "properties.")})
			err.Status = 409
			return err
		}
	}
	if err := choice(c.Doc, "properties.creationData.createOption", "Empty", "Copy", "FromImage", "Import", "Attach", "Upload", "Restore", "CopyStart", "ImportSecure", "UploadPreparedSecure"); err != nil {
		return err
	}
	if err := fillFromSource(c); err != nil {
		return err
	}
	if err := fillSize(c); err != nil {
		return err
	}
	keepOld(c, "properties.timeCreated", stamp(c.Now))
	keepOld(c, "properties.uniqueId", azure.NewGUID().String())
	arm.Default(c.Doc, "properties.encryption", arm.Doc{})
	kind := "EncryptionAtRestWithPlatformKey"
	if arm.Str(c.Doc, "properties.encryption.diskEncryptionSetId") != "" {
		kind = "EncryptionAtRestWithCustomerKey"
	}
	arm.Default(c.Doc, "properties.encryption.type", kind)
	arm.Default(c.Doc, "properties.networkAccessPolicy", "AllowAll")
	arm.Default(c.Doc, "properties.publicNetworkAccess", "Enabled")
	return nil
}

// fillFromSource takes over the size and the system of what a disk or snapshot is copied from.
func fillFromSource(c *arm.Call) *azure.Error {
	const path = "properties.creationData.sourceResourceId"
	id, err := azure.ParseID(arm.Str(c.Doc, path))
	if err != nil {
		if o := arm.Str(c.Doc, "properties.creationData.createOption"); o == "Copy" || o == "CopyStart" {
			return needed(c, path)
		}
		return nil
	}
	source, err := c.Load(id)
	if err != nil {
		return arm.Fault(err)
	}
	arm.Set(c.Doc, "properties.creationData.sourceUniqueId", arm.Str(source, "properties.uniqueId"))
	for _, k := range []string{"diskSizeGB", "osType", "hyperVGeneration"} {
		if v := arm.Get(source, "properties."+k); v != nil {
			arm.Default(c.Doc, "properties."+k, v)
		}
	}
	return nil
}

func fillSize(c *arm.Call) *azure.Error {
	if arm.Str(c.Doc, "properties.creationData.createOption") == "Empty" {
		if err := needed(c, "properties.diskSizeGB"); err != nil {
			return err
		}
	}
	arm.Default(c.Doc, "properties.diskSizeGB", number(30)) // of a Linux image
	gib, old := arm.Int(c.Doc, "properties.diskSizeGB"), arm.Int(c.Old, "properties.diskSizeGB")
	if gib < 1 || gib > maxDisk {
		return azure.ComputeInvalid.Format(azure.Fields{"value": fmt.Sprint(arm.Get(c.Doc, "properties.diskSizeGB")), "path": "disk.diskSizeGB", "allowed": fmt.Sprintf("1 to %d", maxDisk)})
	}
	if gib < old {
		err := azure.DiskShrinks.Format(azure.Fields{"old": strconv.Itoa(old << 30), "size": strconv.Itoa(gib << 30)})
		err.Target = "disk.diskSizeGB"
		return err
	}
	arm.Set(c.Doc, "properties.diskSizeBytes", gib<<30)
	return nil
}

func checkDisk(c *arm.Call) *azure.Error {
	if err := choice(c.Doc, "sku.name", "Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "UltraSSD_LRS", "Premium_ZRS", "StandardSSD_ZRS", "PremiumV2_LRS"); err != nil {
		return err
	}
	kind, _, _ := strings.Cut(arm.Str(c.Doc, "sku.name"), "_")
	arm.Set(c.Doc, "sku.tier", strings.TrimSuffix(strings.TrimSuffix(kind, "SSD"), "V2"))
	if err := fillDisk(c); err != nil {
		return err
	}
	arm.Unset(c.Doc, "properties.diskState") // viewDisk knows
	arm.Unset(c.Doc, "managedByExtended")
	iops, mbs := 500, 60
	if kind == "Premium" {
		for _, t := range diskTiers {
			if arm.Int(c.Doc, "properties.diskSizeGB") <= t.gib {
				iops, mbs = t.iops, t.mbs
				arm.Set(c.Doc, "properties.tier", t.name)
				break
			}
		}
	}
	arm.Default(c.Doc, "properties.diskIOPSReadWrite", number(iops))
	arm.Default(c.Doc, "properties.diskMBpsReadWrite", number(mbs))
	return nil
}

// viewDisk says whether a disk is attached, and to a machine that runs.
func viewDisk(c *arm.Call, d arm.Doc) {
	owner, err := azure.ParseID(arm.Str(d, "managedBy"))
	if err != nil {
		arm.Set(d, "properties.diskState", "Unattached")
		return
	}
	state := "Attached"
	if machine, _ := c.Load(owner); arm.Str(machine, power) == deallocated {
		state = "Reserved"
	}
	arm.Set(d, "properties.diskState", state)
	if arm.Int(d, "properties.maxShares") > 1 {
		arm.Set(d, "managedByExtended", []any{owner.String()})
	}
}

func checkSnapshot(c *arm.Call) *azure.Error {
	if err := choice(c.Doc, "sku.name", "Standard_LRS", "Premium_LRS", "Standard_ZRS"); err != nil {
		return err
	}
	tier, _, _ := strings.Cut(arm.Str(c.Doc, "sku.name"), "_")
	arm.Set(c.Doc, "sku.tier", tier)
	arm.Default(c.Doc, "properties.incremental", false)
	arm.Set(c.Doc, "properties.diskState", "Unattached")
	arm.Set(c.Doc, "properties.completionPercent", number(100))
	return fillDisk(c)
}

func checkDES(c *arm.Call) *azure.Error {
	if err := needed(c, "properties.activeKey.keyUrl"); err != nil {
		return err
	}
	if arm.Map(c.Doc, "identity") == nil {
		return needed(c, "identity")
	}
	arm.Default(c.Doc, "properties.rotationToLatestKeyVersionEnabled", false)
	arm.Default(c.Doc, "properties.previousKeys", []any{})
	return choice(c.Doc, "properties.encryptionType", "EncryptionAtRestWithCustomerKey", "EncryptionAtRestWithPlatformAndCustomerKeys", "ConfidentialVmEncryptedWithCustomerKey")
}

// attachDisks works out a machine's data disks from what a request says: disks to detach go, new ones are made,
// those to attach must be free.
func attachDisks(c *arm.Call, size string) *azure.Error {
	var kept []any
	luns := map[int]bool{}
	for _, d := range objects(c.Doc, "properties.storageProfile.dataDisks") {
		if arm.Bool(d, "toBeDetached") {
			continue
		}
		lun := arm.Int(d, "lun")
		if luns[lun] {
			err := azure.LUNTaken.Format(azure.Fields{"lun": strconv.Itoa(lun)})
			err.Target = "dataDisk.lun"
			return err
		}
		luns[lun] = true
		if err := attachDisk(c, d, lun); err != nil {
			return err
		}
		kept = append(kept, d)
	}
	if most := machineSize(size).disks; most > 0 && len(kept) > most {
		err := azure.TooManyDisks.Format(azure.Fields{"max": strconv.Itoa(most)})
		err.Target = "dataDisks"
		return err
	}
	if kept == nil {
		kept = []any{}
	}
	arm.Set(c.Doc, "properties.storageProfile.dataDisks", kept)
	return nil
}

func attachDisk(c *arm.Call, d arm.Doc, lun int) *azure.Error {
	arm.Set(d, "lun", number(lun))
	arm.Default(d, "caching", "None")
	arm.Set(d, "toBeDetached", false)
	id, err := azure.ParseID(arm.Str(d, "managedDisk.id"))
	if err != nil {
		name := cmp.Or(arm.Str(d, "name"), diskName(c.ID, fmt.Sprintf("_disk%d_", lun+2)))
		return makeDisk(c, d, name, "Empty")
	}
	disk, err := c.Load(id)
	if err != nil || disk == nil {
		return arm.Fault(err) // a link checks that it is there
	}
	shares := max(arm.Int(disk, "properties.maxShares"), 1)
	for user, err := range c.Users(id) {
		if err != nil {
			return arm.Fault(err)
		}
		if isMachine(user) && !user.Equal(c.ID) {
			if shares--; shares == 0 {
				return azure.DiskOwned.Format(azure.Fields{"disk": id.String(), "user": user.String()})
			}
		}
	}
	arm.Default(d, "name", id.Name())
	arm.Default(d, "createOption", "Attach")
	arm.Set(d, "diskSizeGB", arm.Get(disk, "properties.diskSizeGB"))
	arm.Set(d, "managedDisk.storageAccountType", arm.Str(disk, "sku.name"))
	return nil
}

// isMachine reports whether an id is that of a virtual machine or of a scale set's instance.
func isMachine(id azure.ID) bool {
	return strings.EqualFold(id.Type(), typeVM) || strings.EqualFold(id.Type(), typeInstance)
}

// diskName is a new name for a disk that is made for a machine.
func diskName(machine azure.ID, kind string) string {
	name := machine.Name()
	if strings.EqualFold(machine.Type(), typeInstance) {
		name = machine.Parent().Name() + "_" + name
	}
	return name[:min(len(name), 40)] + kind + azure.NewGUID().Hex()[:24]
}

// makeDisk makes a disk that a machine is to be given, of the size and kind that the machine's document says.
func makeDisk(c *arm.Call, d arm.Doc, name, option string) *azure.Error {
	if err := checkNames(c, []arm.Doc{{"name": name}}); err != nil {
		return err
	}
	id := c.ID.GroupID().Resource(typeDisk, name)
	sku := cmp.Or(arm.Str(d, "managedDisk.storageAccountType"), "Premium_LRS")
	properties := arm.Doc{"creationData": arm.Doc{"createOption": option}}
	for _, k := range []string{"diskSizeGB", "osType"} {
		if v := arm.Get(d, k); v != nil {
			properties[k] = v
		}
	}
	if des := arm.Str(d, "managedDisk.diskEncryptionSet.id"); des != "" {
		properties["encryption"] = arm.Doc{"diskEncryptionSetId": des}
	}
	body := arm.Doc{"location": arm.Str(c.Doc, "location"), "sku": arm.Doc{"name": sku}, "properties": properties}
	if z := arm.List(c.Doc, "zones"); len(z) > 0 {
		body["zones"] = z
	}
	disk, err := c.PutPart(id, body)
	if err != nil {
		return err
	}
	arm.Set(d, "name", name)
	arm.Default(d, "createOption", option)
	arm.Set(d, "diskSizeGB", arm.Get(disk, "properties.diskSizeGB"))
	arm.Set(d, "managedDisk.id", arm.Str(disk, "id"))
	arm.Set(d, "managedDisk.storageAccountType", sku)
	return nil
}
