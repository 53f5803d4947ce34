package provider

import (
	"encoding/json"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const (
	typeScaleSet = "Microsoft.Compute/virtualMachineScaleSets"
	typeDisk     = "Microsoft.Compute/disks"
)

// nicPath is where a scale set describes its machines' network interfaces.
const nicPath = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[].properties."

func compute() arm.Provider {
	versions := []string{"2024-07-01", "2024-03-01", "2023-09-01", "2023-03-01", "2022-11-01", "2022-08-01", "2021-07-01", "2020-12-01", "2019-12-01", "2019-07-01", "2017-12-01"}
	return arm.Provider{Namespace: "Microsoft.Compute", Types: []arm.Type{
		{Name: typeScaleSet, Since: "2015-06-15", Versions: versions, Tracked: true, Identity: true, Check: checkScaleSet, Links: []arm.Link{
			{Path: nicPath + "ipConfigurations[].properties.subnet.id", Action: joinSubnet},
			{Path: nicPath + "ipConfigurations[].properties.loadBalancerBackendAddressPools[].id", Action: joinPool},
			{Path: nicPath + "networkSecurityGroup.id", Action: joinNSG},
		}},
		{Name: typeDisk, Since: "2016-04-30-preview", Versions: []string{"2024-03-02", "2023-10-02", "2023-04-02", "2022-07-02", "2021-12-01", "2020-12-01", "2019-11-01", "2018-06-01"},
			Tracked: true, Codes: arm.Codes{Create: 200}, Check: checkDisk, Links: []arm.Link{
				{Path: "properties.encryption.diskEncryptionSetId", Action: "Microsoft.Compute/diskEncryptionSets/read"}}},
	}}
}

func checkScaleSet(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.uniqueId", azure.NewGUID().String())
	if old := arm.Get(c.Old, "properties.uniqueId"); old != nil {
		arm.Set(c.Doc, "properties.uniqueId", old)
	}
	return nil
}

func checkDisk(c *arm.Call) *azure.Error {
	now := c.Now.Format("2006-01-02T15:04:05.0000000Z")
	arm.Default(c.Doc, "sku", arm.Doc{"name": "Standard_LRS"})
	arm.Set(c.Doc, "sku.tier", map[bool]string{true: "Premium", false: "Standard"}[arm.Str(c.Doc, "sku.name") == "Premium_LRS"])
	for k, v := range map[string]any{"timeCreated": now, "uniqueId": azure.NewGUID().String(), "diskState": "Unattached"} {
		if old := arm.Get(c.Old, "properties."+k); old != nil {
			v = old
		}
		arm.Set(c.Doc, "properties."+k, v)
	}
	arm.Set(c.Doc, "properties.diskSizeBytes", json.Number("0"))
	if gb := arm.Int(c.Doc, "properties.diskSizeGB"); gb > 0 {
		arm.Set(c.Doc, "properties.diskSizeBytes", int64(gb)<<30)
	}
	arm.Default(c.Doc, "properties.encryption", arm.Doc{"type": "EncryptionAtRestWithPlatformKey"})
	return nil
}
