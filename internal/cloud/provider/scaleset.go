package provider

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const (
	profile     = "properties.virtualMachineProfile"
	profileNICs = profile + ".networkProfile.networkInterfaceConfigurations"
)

// maxInstances bounds a scale set (Microsoft Learn: limits of Azure Compute).
const maxInstances = 1000

func scaleSets() []arm.Type {
	links := slices.Concat(nicLinks(profileNICs+"[].properties."), machineLinks(profile+".", "properties."), []arm.Link{
		{Path: profileNICs + "[].properties.ipConfigurations[].properties.loadBalancerInboundNatPools[].id", Action: joinNATPool},
		{Path: profileNICs + "[].properties.ipConfigurations[].properties.publicIPAddressConfiguration.properties.publicIPPrefix.id", Action: joinPrefix},
		{Path: profile + ".networkProfile.healthProbe.id", Action: joinProbe},
	})
	return slices.Concat([]arm.Type{
		{
			Name: typeScaleSet, Tracked: true, Identity: true, PutMerges: true, Links: links, Check: checkScaleSet, Written: resize,
			Children: []arm.Child{{Path: profile + ".extensionProfile.extensions", Type: &arm.Type{Name: typeScaleSet + "/extensions"}}},
			Actions: powerActions(eachInstance, map[string]arm.Action{
				"delete": {Do: deleteInstances, Write: true, After: arm.Async | arm.Located | arm.Notifying}, "manualupgrade": {Do: upgradeInstances, Write: true, After: arm.Async | arm.Located | arm.Notifying, RBAC: typeScaleSet + "/manualUpgrade/action"}}),
		},
		{Name: typeScaleSet + "/instanceView", ReadOnly: true, Single: true, Get: setInstanceView},
		{Name: typeScaleSet + "/skus", ReadOnly: true, List: setSKUs},
		{Name: typeScaleSet + "/networkInterfaces", ReadOnly: true, List: setInterfaces},
		{Name: typeScaleSet + "/publicIPAddresses", ReadOnly: true, List: setPublicIPs},
	}, instances())
}

func isFlexible(d arm.Doc) bool {
	return strings.EqualFold(arm.Str(d, "properties.orchestrationMode"), "Flexible")
}

func checkScaleSet(c *arm.Call) *azure.Error {
	keepOld(c, "properties.uniqueId", azure.NewGUID().String())
	keepOld(c, "properties.timeCreated", stamp(c.Now))
	for _, path := range []string{"sku.name", profile} {
		if err := needed(c, path); err != nil && !isFlexible(c.Doc) {
			return err
		}
	}
	if err := checkSize(c, "sku.name"); err != nil {
		return err
	}
	arm.Default(c.Doc, "sku.tier", "Standard")
	arm.Default(c.Doc, "sku.capacity", number(0))
	if n := arm.Int(c.Doc, "sku.capacity"); n < 0 || n > maxInstances {
		return azure.CapacityTooLarge.Error()
	}
	for _, err := range []*azure.Error{
		choice(c.Doc, "properties.orchestrationMode", "Uniform", "Flexible"),
		choice(c.Doc, "properties.upgradePolicy.mode", "Manual", "Automatic", "Rolling"),
	} {
		if err != nil {
			return err
		}
	}
	if old := arm.Str(c.Old, "properties.orchestrationMode"); old != "" && old != arm.Str(c.Doc, "properties.orchestrationMode") {
		return changeRefused("orchestrationMode")
	}
	arm.Default(c.Doc, "properties.overprovision", true)
	arm.Default(c.Doc, "properties.singlePlacementGroup", true)
	arm.Default(c.Doc, "properties.platformFaultDomainCount", number(5))
	arm.Default(c.Doc, "properties.doNotRunExtensionsOnOverprovisionedVMs", false)
	return checkProfile(c)
}

func changeRefused(path string) *azure.Error {
	err := azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": path})
	err.Status, err.Target = 409, path
	return err
}

// checkProfile spells out what instances are made from, and hides what is secret.
func checkProfile(c *arm.Call) *azure.Error {
	if arm.Map(c.Doc, profile) == nil {
		return nil
	}
	prefix := cmp.Or(arm.Str(c.Doc, profile+".osProfile.computerNamePrefix"), c.ID.Name())
	if len(prefix) > 58 {
		prefix = prefix[:58]
	}
	arm.Set(c.Doc, profile+".osProfile.computerNamePrefix", prefix)
	if old := arm.Str(c.Old, profile+".osProfile.computerNamePrefix"); old != "" && old != prefix {
		return changeRefused("osProfile.computerNamePrefix")
	}
	hideSecrets(arm.Map(c.Doc, profile))
	arm.Default(c.Doc, profile+".storageProfile", arm.Doc{})
	arm.Default(c.Doc, profile+".storageProfile.osDisk.createOption", "FromImage")
	arm.Default(c.Doc, profile+".storageProfile.osDisk.caching", "None")
	arm.Default(c.Doc, profile+".storageProfile.osDisk.managedDisk.storageAccountType", "Premium_LRS")
	return checkNICs(c, profileNICs)
}

// checkNICs spells out the interfaces that instances are to have.
func checkNICs(c *arm.Call, path string) *azure.Error {
	nics := objects(c.Doc, path)
	if err := checkNames(c, nics); err != nil {
		return err
	}
	for i, n := range nics {
		if arm.Get(n, "properties.primary") == nil {
			arm.Set(n, "properties.primary", i == 0)
		}
		configs := objects(n, "properties.ipConfigurations")
		if err := checkNames(c, configs); err != nil {
			return err
		}
		setPrimary(configs)
		for _, e := range configs {
			arm.Default(e, "properties.privateIPAddressVersion", "IPv4")
			if public := arm.Map(e, "properties.publicIPAddressConfiguration"); public != nil {
				if err := checkNames(c, []arm.Doc{public}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// hideSecrets forgets what the provider never gives back.
func hideSecrets(d arm.Doc) {
	for _, path := range []string{"osProfile.adminPassword", "osProfile.customData", "userData"} {
		arm.Unset(d, path)
	}
	for _, e := range objects(d, "extensionProfile.extensions") {
		arm.Unset(e, "properties.protectedSettings")
	}
}

// resize makes or removes instances until there are as many as the scale set's capacity says, and takes the model to those
// that follow it.
func resize(c *arm.Call) *azure.Error {
	if isFlexible(c.Doc) {
		return nil
	}
	have, err := instancesOf(c, c.ID)
	if err != nil {
		return err
	}
	want := arm.Int(c.Doc, "sku.capacity")
	for len(have) > want { // the newest go first
		last := have[len(have)-1]
		if err := c.DropPart(azure.MustID(arm.Str(last, "id"))); err != nil {
			return err
		}
		have = have[:len(have)-1]
	}
	if c.Old != nil && (changed(c, profile) || changed(c, "sku.name")) {
		if err := followModel(c, have); err != nil {
			return err
		}
	}
	if len(have) == want {
		return nil
	}
	pool := addressPool{}
	next := arm.Int(c.Doc, nextInstance)
	for ; len(have) < want; next++ {
		inst, err := makeInstance(c, next, pool)
		if err != nil {
			return err
		}
		have = append(have, inst)
	}
	arm.Set(c.Doc, nextInstance, number(next))
	return c.Save()
}

// nextInstance counts a scale set's instances: their ids are never used twice.
const nextInstance = "_.next"

// instancesOf are a scale set's instances, the oldest first.
func instancesOf(c *arm.Call, set azure.ID) ([]arm.Doc, *azure.Error) {
	var all []arm.Doc
	for d, err := range c.Resources(set, typeInstance) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b arm.Doc) int { return cmp.Compare(instanceNumber(a), instanceNumber(b)) })
	return all, nil
}

func instanceNumber(d arm.Doc) int {
	n, _ := strconv.Atoi(arm.Str(d, "instanceId"))
	return n
}

// followModel tells the instances that the model has changed; with automatic upgrades they take it over.
func followModel(c *arm.Call, all []arm.Doc) *azure.Error {
	for _, d := range all {
		id := azure.MustID(arm.Str(d, "id"))
		if strings.EqualFold(arm.Str(c.Doc, "properties.upgradePolicy.mode"), "Manual") {
			arm.Set(d, "properties.latestModelApplied", false)
			if err := c.Seed(id, d); err != nil {
				return arm.Fault(err)
			}
			continue
		}
		if err := applyModel(c, c.Doc, id); err != nil {
			return err
		}
	}
	return nil
}

// computerName is the name of an instance in its network: the prefix and its number in six digits of base 36.
func computerName(prefix string, n int) string {
	digits := strconv.FormatInt(int64(n), 36)
	return lower(prefix) + strings.Repeat("0", max(6-len(digits), 0)) + digits
}

// modelOf is what an instance takes from its scale set.
func modelOf(set arm.Doc) arm.Doc {
	model := arm.Doc{"networkProfileConfiguration": arm.Get(set, profile+".networkProfile"), "hardwareProfile": arm.Doc{}, "latestModelApplied": true, "modelDefinitionApplied": "VirtualMachineScaleSet"}
	for _, k := range []string{"diagnosticsProfile", "licenseType", "securityProfile"} {
		if v := arm.Get(set, profile+"."+k); v != nil {
			model[k] = v
		}
	}
	return arm.Clone(model)
}

func makeInstance(c *arm.Call, n int, pool addressPool) (arm.Doc, *azure.Error) {
	id := c.ID.Join("virtualMachines", strconv.Itoa(n))
	properties := modelOf(c.Doc)
	properties["vmId"] = azure.NewGUID().String()
	properties["timeCreated"] = stamp(c.Now)
	properties["osProfile"] = arm.Doc{"computerName": computerName(arm.Str(c.Doc, profile+".osProfile.computerNamePrefix"), n), "secrets": []any{},
		"allowExtensionOperations": true, "requireGuestProvisionSignal": true}
	for _, k := range []string{"adminUsername", "linuxConfiguration", "windowsConfiguration"} {
		if v := arm.Get(c.Doc, profile+".osProfile."+k); v != nil {
			arm.Set(properties, "osProfile."+k, v)
		}
	}
	properties["storageProfile"] = arm.Get(c.Doc, profile+".storageProfile")
	body := arm.Doc{"_": arm.Doc{"power": running, "new": true}, "location": c.Doc["location"], "instanceId": strconv.Itoa(n), "tags": c.Doc["tags"],
		"sku": arm.Doc{"name": arm.Str(c.Doc, "sku.name"), "tier": arm.Str(c.Doc, "sku.tier")}, "properties": properties}
	if zones := text(arm.List(c.Doc, "zones")); len(zones) > 0 {
		body["zones"] = []any{zones[n%len(zones)]}
	}
	d, err := c.PutPart(id, arm.Clone(body))
	if err != nil {
		return nil, err
	}
	return d, putInterfaces(c, d, pool)
}

// applyModel takes an instance to its scale set's model.
func applyModel(c *arm.Call, set arm.Doc, id azure.ID) *azure.Error {
	_, err := c.PutPart(id, arm.Doc{"sku": arm.Doc{"name": arm.Str(set, "sku.name")}, "properties": modelOf(set)})
	return err
}

// chosen are the instances that an action's body names; all of them where it names none.
func chosen(c *arm.Call) ([]arm.Doc, *azure.Error) {
	all, err := instancesOf(c, c.ID)
	names := text(arm.List(c.Body, "instanceIds"))
	if err != nil || len(names) == 0 || slices.Contains(names, "*") {
		return all, err
	}
	var some []arm.Doc
	for _, n := range names {
		i := slices.IndexFunc(all, func(d arm.Doc) bool { return arm.Str(d, "instanceId") == n })
		if i < 0 {
			return nil, azure.InstanceUnknown.Format(azure.Fields{"instance": n})
		}
		some = append(some, all[i])
	}
	return some, nil
}

func eachInstance(c *arm.Call, fn func(arm.Doc) *azure.Error) *azure.Error {
	some, err := chosen(c)
	if err != nil {
		return err
	}
	for _, d := range some {
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

// deleteInstances removes the named instances; the scale set's capacity follows (instanceDeleted).
func deleteInstances(c *arm.Call) (any, *azure.Error) {
	if len(arm.List(c.Body, "instanceIds")) == 0 {
		return nil, azure.ComputeMissing.Format(azure.Fields{"path": "instanceIds"})
	}
	return nil, eachInstance(c, func(d arm.Doc) *azure.Error { return c.DropPart(azure.MustID(arm.Str(d, "id"))) })
}

func upgradeInstances(c *arm.Call) (any, *azure.Error) {
	return nil, eachInstance(c, func(d arm.Doc) *azure.Error { return applyModel(c, c.Doc, azure.MustID(arm.Str(d, "id"))) })
}

func setInstanceView(c *arm.Call) (arm.Doc, *azure.Error) {
	set := c.ID.Parent()
	doc, err := c.Load(set)
	if err != nil || doc == nil {
		if err != nil {
			return nil, arm.Fault(err)
		}
		return nil, azure.ResourceNotFound.Format(azure.Fields{"resource": typeScaleSet + "/" + set.Name(), "group": set.ResourceGroup()})
	}
	all, e := instancesOf(c, set)
	if e != nil {
		return nil, e
	}
	counts := map[string]int{}
	for _, d := range all {
		counts["ProvisioningState/succeeded"]++
		counts["PowerState/"+arm.Str(d, power)]++
	}
	var summary []any
	for _, code := range []string{"ProvisioningState/succeeded", "PowerState/running", "PowerState/stopped", "PowerState/deallocated"} {
		if counts[code] > 0 {
			summary = append(summary, arm.Doc{"code": code, "count": counts[code]})
		}
	}
	return arm.Doc{"virtualMachine": arm.Doc{"statusesSummary": summary}, "statuses": []any{provisioned(c)}, "orchestrationServices": []any{}}, nil
}

// changed reports whether a write changes a member.
func changed(c *arm.Call, path string) bool {
	return fmt.Sprint(arm.Get(c.Old, path)) != fmt.Sprint(arm.Get(c.Doc, path))
}
