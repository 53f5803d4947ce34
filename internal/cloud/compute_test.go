package cloud_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestScaleSet takes a scale set through its life: instances of its own model, changed models, upgrades, scaling, power.
func TestScaleSet(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	op.put(vnet, withSubnets(network("10.0.0.0/16"), subnet("s", "10.0.0.0/24"))).ok(201)
	nsg := rg + "/providers/Microsoft.Network/networkSecurityGroups/g"
	op.put(nsg, properties(obj{})).ok(201)
	set := rg + "/providers/Microsoft.Compute/virtualMachineScaleSets/np"
	public := obj{"name": "pub", "properties": obj{"idleTimeoutInMinutes": 10}}
	body := setOf(3, obj{"subnet": ref(vnet + "/subnets/s"), "publicIPAddressConfiguration": public}, nil,
		obj{"osProfile": obj{"computerNamePrefix": "np", "adminUsername": "u", "adminPassword": "secret-1", "customData": "c2VjcmV0LTI="}})
	body["zones"] = []string{"1", "2"}
	made := op.put(set, body).ok(201)
	if strings.Contains(made.raw, "secret-1") || strings.Contains(made.raw, "c2VjcmV0LTI=") {
		t.Errorf("secrets come back: %s", made.raw)
	}
	list := op.get(set + "/virtualMachines").ok(200)
	if got := list.list("name"); !slices.Equal(got, []string{"np_0", "np_1", "np_2"}) {
		t.Errorf("instances: %v", got)
	}
	if got := fmt.Sprint(list.list("zones.0")); got != "[1 2 1]" {
		t.Errorf("zones: %s", got)
	}
	if got := list.list("properties.latestModelApplied"); slices.Contains(got, "false") {
		t.Errorf("new instances are of an old model: %v", got)
	}
	nics := op.get(set + "/networkInterfaces").ok(200)
	if got := nics.list("properties.ipConfigurations.0.properties.privateIPAddress"); !slices.Equal(got, []string{"10.0.0.4", "10.0.0.5", "10.0.0.6"}) {
		t.Errorf("addresses: %v", got)
	}
	ips := op.get(set + "/publicIPAddresses").ok(200)
	if got := ips.list("properties.ipAddress"); !slices.Equal(got, []string{"198.18.0.1", "198.18.0.2", "198.18.0.3"}) {
		t.Errorf("public addresses: %v", got)
	}
	one := set + "/virtualMachines/0/networkInterfaces/nic/ipConfigurations/c"
	if got := op.get(one).ok(200).str("properties.publicIPAddress.id"); got != one+"/publicIPAddresses/pub" {
		t.Errorf("the configuration's public address is %q", got)
	}
	if got := op.get(one + "/publicIPAddresses/pub?api-version=2017-03-30").ok(200).str("properties.ipConfiguration.id"); got != one {
		t.Errorf("the public address is of %q", got)
	}

	// A changed model is taken over on demand.
	model := op.get(set).ok(200)
	model.at("properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations.0.properties").(map[string]any)["networkSecurityGroup"] = ref(nsg)
	op.put(set, model.body).ok(200)
	if got := op.get(set + "/virtualMachines").ok(200).list("properties.latestModelApplied"); slices.Contains(got, "true") {
		t.Errorf("instances of the old model: %v", got)
	}
	op.do("POST", set+"/manualupgrade", obj{"instanceIds": []string{"7"}}).refused(404, "InstanceIdNotFound")
	op.do("POST", set+"/manualupgrade", obj{"instanceIds": []string{"1"}}).ok(202)
	list = op.get(set + "/virtualMachines").ok(200)
	if got := fmt.Sprint(list.list("properties.latestModelApplied")); got != "[false true false]" {
		t.Errorf("after one upgrade: %s", got)
	}
	nic := op.get(set + "/virtualMachines/1/networkInterfaces/nic").ok(200)
	if nic.str("properties.networkSecurityGroup.id") != nsg || nic.str("properties.ipConfigurations.0.properties.privateIPAddress") != "10.0.0.5" {
		t.Errorf("the upgraded instance's interface is %s", nic.raw)
	}
	if got := names(op.get(nsg).ok(200).at("properties.networkInterfaces")); !slices.Equal(got, []string{nic.str("id")}) {
		t.Errorf("the security group guards %v", got)
	}
	op.do("PATCH", set, obj{"properties": obj{"upgradePolicy": obj{"mode": "Automatic"}, "virtualMachineProfile": obj{"licenseType": "None"}}}).ok(200)
	if got := op.get(set + "/virtualMachines").ok(200).list("properties.latestModelApplied"); slices.Contains(got, "false") {
		t.Errorf("automatic upgrade left %v", got)
	}

	op.do("PATCH", set, obj{"sku": obj{"name": "Standard_D2s_v3", "capacity": 1}}).ok(200)
	op.do("PATCH", set, obj{"sku": obj{"name": "Standard_D2s_v3", "capacity": 2}}).ok(200)
	if got := op.get(set + "/virtualMachines").ok(200).list("instanceId"); !slices.Equal(got, []string{"0", "3"}) {
		t.Errorf("ids are used again: %v", got)
	}
	op.do("POST", set+"/powerOff", obj{"instanceIds": []string{"3"}}).ok(202)
	view := op.get(set + "/instanceView").ok(200)
	if fmt.Sprint(view.at("virtualMachine.statusesSummary")) != "[map[code:ProvisioningState/succeeded count:2] map[code:PowerState/running count:1] map[code:PowerState/stopped count:1]]" {
		t.Errorf("the instance view is %s", view.raw)
	}
	if got := op.get(set + "/virtualMachines/3?$expand=instanceView").ok(200); got.str("properties.instanceView.statuses.1.code") != "PowerState/stopped" || op.get(set+"/virtualMachines/3").at("properties.instanceView") != nil {
		t.Errorf("a stopped instance is %s", got.raw)
	}
	if got := op.get(set + "/skus").ok(200).list("sku.name"); !slices.Contains(got, "Standard_DS2_v2") {
		t.Errorf("sizes: %v", got)
	}
	op.put(set+"/extensions/ext", obj{"properties": obj{"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1", "protectedSettings": obj{"commandToExecute": "secret-3"}}}).ok(201)
	if got := op.get(set + "/extensions").ok(200); !slices.Equal(got.list("name"), []string{"ext"}) || strings.Contains(got.raw, "secret-3") {
		t.Errorf("extensions: %s", got.raw)
	}
	op.delete(set).ok(202)
	for _, typ := range []string{"virtualMachineScaleSets", "disks"} {
		if got := op.get(rg + "/providers/Microsoft.Compute/" + typ).ok(200).list("id"); len(got) != 0 {
			t.Errorf("left over: %v", got)
		}
	}
	op.delete(vnet).ok(200)
}

// TestScaleSetRefusals refuses scale sets and instances that cannot be.
func TestScaleSetRefusals(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	const v = "Microsoft.Compute/virtualMachineScaleSets/v"
	w.operator.put(rg+"/providers/Microsoft.Network/virtualNetworks/v", withSubnets(network("10.0.0.0/16"), subnet("s", "10.0.0.0/29"))).ok(201)
	config := obj{"subnet": ref(rg + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s")}
	sized := func(name string, n int) obj {
		b := setOf(n, config, nil, nil)
		b["sku"].(obj)["name"] = name
		return b
	}
	flexible := func(b obj) obj { b["properties"].(obj)["orchestrationMode"] = "Flexible"; return b }
	w.try(rg,
		attempt{"PUT", v, properties(obj{}), 400, "InvalidParameter", []string{"Required parameter 'sku.name' is missing (null)."}},
		attempt{"PUT", v, obj{"location": "westeurope", "sku": obj{"name": "Standard_D2s_v3"}, "properties": obj{}}, 400, "InvalidParameter", []string{"virtualMachineProfile"}},
		attempt{"PUT", v, sized("Large", 1), 400, "InvalidParameter", []string{"The requested VM size Large is not available"}},
		attempt{"PUT", v, sized("Standard_D2s_v3", 1001), 400, "InvalidParameter", []string{"sku.capacity"}},
		attempt{"PUT", v, sized("Standard_D2s_v3", 4), 400, "SubnetIsFull", nil},
		attempt{"GET", v, nil, 404, "ResourceNotFound", nil},
		attempt{"PUT", v, sized("Standard_D2s_v3", 3), 201, "", nil},
		attempt{"PUT", v, sized("Standard_D2s_v3", 4), 400, "SubnetIsFull", nil},
		attempt{"PUT", v, flexible(sized("Standard_D2s_v3", 3)), 409, "PropertyChangeNotAllowed", []string{"orchestrationMode"}},
		attempt{"PUT", v + "/virtualMachines/9", obj{"properties": obj{}}, 404, "InstanceIdNotFound", []string{"9"}},
		attempt{"PUT", v + "/virtualMachines/0/networkInterfaces/nic", properties(obj{}), 405, "HttpMethodNotAllowed", nil},
		attempt{"DELETE", v + "/virtualMachines/0/networkInterfaces/nic", nil, 405, "HttpMethodNotAllowed", nil},
		attempt{"POST", v + "/delete", obj{}, 400, "InvalidParameter", []string{"instanceIds"}},
		attempt{"POST", v + "/explode", nil, 405, "HttpMethodNotAllowed", nil},
		attempt{"PATCH", v, obj{"properties": obj{"virtualMachineProfile": obj{"osProfile": obj{"computerNamePrefix": "x"}}}}, 409, "PropertyChangeNotAllowed", []string{"computerNamePrefix"}},
		attempt{"GET", v + "x/instanceView", nil, 404, "ResourceNotFound", nil},
		attempt{"PUT", v + "/virtualMachines/0", obj{"properties": obj{"networkProfileConfiguration": obj{"networkInterfaceConfigurations": []obj{{"name": "a/b"}}}}}, 400, "InvalidResourceName", []string{"a/b"}},
		attempt{"PUT", v + "/virtualMachines/0", obj{"properties": obj{"networkProfileConfiguration": obj{"networkInterfaceConfigurations": []obj{{"name": "a"}, {"name": "A"}}}}}, 400, "DuplicateResourceName", nil},
		attempt{"PUT", v + strings.Repeat("x", 80), sized("Standard_D2s_v3", 0), 400, "InvalidResourceName", nil},
		attempt{"PUT", v + strings.Repeat("x", 79), sized("Standard_D2s_v3", 0), 201, "", nil},
		attempt{"GET", v + "/virtualMachines/8/instanceView", nil, 404, "ResourceNotFound", nil},
	)
	if got := w.operator.get(rg + "/providers/" + v).ok(200).at("sku.capacity"); got != 3.0 {
		t.Errorf("a refused PUT changed the capacity to %v", got)
	}
	w.operator.put(rg+"/providers/"+v+"f", flexible(setOf(5, config, nil, nil))).ok(201)
	if got := w.operator.get(rg + "/providers/" + v + "f/virtualMachines").ok(200).list("id"); len(got) != 0 {
		t.Errorf("instances of a flexible scale set: %v", got)
	}
}

// TestMachines takes virtual machines through their lives, with their disks and interfaces.
func TestMachines(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op := w.operator
	vm := s.hub + "/providers/Microsoft.Compute/virtualMachines/vm"
	body := func(p obj) obj {
		for k, v := range map[string]any{"hardwareProfile": obj{"vmSize": "Standard_B1s"}, "osProfile": obj{"adminUsername": "u", "adminPassword": "secret-1"},
			"storageProfile": obj{"osDisk": obj{"createOption": "FromImage", "deleteOption": "Delete"}, "dataDisks": []obj{{"lun": 0, "createOption": "Attach", "managedDisk": ref(s.disk)}}}, "networkProfile": obj{"networkInterfaces": []obj{ref(s.nic)}}} {
			if _, given := p[k]; !given {
				p[k] = v
			}
		}
		return properties(p)
	}
	const v = "Microsoft.Compute/virtualMachines/"
	three := []obj{{"lun": 0, "createOption": "Empty", "diskSizeGB": 4}, {"lun": 1, "createOption": "Empty", "diskSizeGB": 4}, {"lun": 2, "createOption": "Empty", "diskSizeGB": 4}}
	w.try(s.hub,
		attempt{"PUT", v + "vm", body(obj{"hardwareProfile": nil}), 400, "InvalidParameter", []string{"hardwareProfile.vmSize"}},
		attempt{"PUT", v + "vm", body(obj{"networkProfile": obj{"networkInterfaces": []obj{ref(s.nic + "x")}}}), 400, "InvalidResourceReference", nil},
		attempt{"PUT", v + "vm", body(obj{"storageProfile": obj{"dataDisks": three}}), 409, "OperationNotAllowed", []string{"The maximum number of data disks allowed to be attached to a VM of this size is 2."}},
		attempt{"PUT", v + "vm", body(obj{}), 201, "", []string{`"computerName":"vm"`}},
		attempt{"PUT", v + "other", body(obj{"storageProfile": obj{}}), 400, "NicInUse", []string{"is used by existing resource " + vm}},
		attempt{"PATCH", v + "vm", obj{"properties": obj{"osProfile": obj{"computerName": "x"}}}, 409, "PropertyChangeNotAllowed", nil},
		attempt{"DELETE", "Microsoft.Network/networkInterfaces/nic", nil, 400, "NicInUse", []string{"is used by existing resource " + vm}},
		attempt{"PUT", v + "vm/extensions/e", properties(obj{"publisher": "p"}), 400, "InvalidParameter", []string{"'type'"}},
		attempt{"PUT", v + "vm/extensions/e", properties(obj{"publisher": "p", "type": "t", "typeHandlerVersion": "1.0", "protectedSettings": obj{"k": "secret-2"}}), 201, "", nil},
	)
	got := op.get(vm + "?$expand=instanceView").ok(200)
	if strings.Contains(got.raw, "secret-") || got.at("resources.0.name") != "e" || got.str("properties.instanceView.statuses.1.code") != "PowerState/running" {
		t.Errorf("the machine is %s", got.raw)
	}
	osDisk := got.str("properties.storageProfile.osDisk.managedDisk.id")
	if r := op.get(osDisk).ok(200); r.str("managedBy") != vm || r.str("properties.osType") != "Linux" {
		t.Errorf("its system disk is %s", r.raw)
	}
	if r := op.get(s.nic).ok(200).str("properties.virtualMachine.id"); r != vm {
		t.Errorf("its interface is of %q", r)
	}
	op.do("POST", vm+"/deallocate", nil).ok(200)
	if r := op.get(s.disk).ok(200); r.str("properties.diskState") != "Reserved" {
		t.Errorf("a disk of a stopped machine is %s", r.raw)
	}
	if r := op.get(vm + "/instanceView").ok(200).str("statuses.1.code"); r != "PowerState/deallocated" {
		t.Errorf("the machine is %s", r)
	}
	op.do("POST", vm+"/start", nil).ok(200)
	op.do("PATCH", vm, obj{"properties": obj{"storageProfile": obj{"dataDisks": []obj{}}}}).ok(200)
	if r := op.get(s.disk).ok(200); r.at("managedBy") != nil {
		t.Errorf("a disk that was taken off is %s", r.raw)
	}
	op.delete(vm).ok(200)
	op.get(osDisk).refused(404, "ResourceNotFound")
	op.delete(s.nic).ok(200)
}

// TestDiskRefusals refuses disks, snapshots and encryption sets that cannot be.
func TestDiskRefusals(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op := w.operator
	const d = "Microsoft.Compute/disks/"
	from := func(p obj) obj { return properties(p) }
	w.try(s.hub,
		attempt{"PUT", d + "d", from(obj{"diskSizeGB": 4}), 400, "InvalidParameter", []string{"Required parameter 'creationData' is missing (null)."}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Empty"}}), 400, "InvalidParameter", []string{"diskSizeGB"}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Magic"}, "diskSizeGB": 4}), 400, "InvalidParameter", []string{"Magic"}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 70000}), 400, "InvalidParameter", []string{"70000"}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Copy"}}), 400, "InvalidParameter", []string{"creationData.sourceResourceId"}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Copy", "sourceResourceId": s.snapshot + "x"}}), 400, "InvalidResourceReference", nil},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Copy", "sourceResourceId": s.snapshot}}), 200, "", []string{`"diskSizeGB":8`, `"sourceUniqueId":"`}},
		attempt{"PUT", d + "d", from(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 8}), 409, "PropertyChangeNotAllowed", []string{"creationData.createOption"}},
		attempt{"PUT", d + "e", from(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 100, "encryption": obj{"diskEncryptionSetId": s.des}}), 200, "", []string{"EncryptionAtRestWithCustomerKey"}},
		attempt{"DELETE", "Microsoft.Compute/diskEncryptionSets/des", nil, 409, "OperationNotAllowed", []string{d + "e"}},
		attempt{"PUT", "Microsoft.Compute/diskEncryptionSets/x", from(obj{}), 400, "InvalidParameter", []string{"activeKey.keyUrl"}},
		attempt{"PUT", "Microsoft.Compute/diskEncryptionSets/x", from(obj{"activeKey": obj{"keyUrl": "https://kv.vault.azure.net/keys/k/1"}}), 400, "InvalidParameter", []string{"identity"}},
		attempt{"PUT", "Microsoft.Compute/snapshots/s", from(obj{}), 400, "InvalidParameter", nil},
	)
	for size, tier := range map[int]string{4: "P1", 100: "P10", 128: "P10", 129: "P15", 1024: "P30"} {
		disk := fmt.Sprintf("%s/providers/%sp%d", s.hub, d, size)
		b := from(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": size})
		b["sku"] = obj{"name": "Premium_LRS"}
		if got := op.put(disk, b).ok(200); got.str("properties.tier") != tier || got.at("properties.diskSizeBytes") != float64(size)*(1<<30) {
			t.Errorf("%d GiB: %s", size, got.raw)
		}
	}
	shared := s.hub + "/providers/" + d + "shared"
	op.put(shared, from(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 256, "maxShares": 2})).ok(200)
	set := s.hub + "/providers/Microsoft.Compute/virtualMachineScaleSets/v"
	op.put(set, setOf(3, obj{"subnet": ref(s.subnet)}, nil, nil)).ok(201)
	attach := obj{"properties": obj{"storageProfile": obj{"dataDisks": []obj{{"lun": 0, "createOption": "Attach", "managedDisk": ref(shared)}}}}}
	op.put(set+"/virtualMachines/0", attach).ok(200)
	op.put(set+"/virtualMachines/1", attach).ok(200)
	op.put(set+"/virtualMachines/2", attach).refused(409, "ConflictingUserInput")
	if got := op.get(shared).ok(200); got.at("managedByExtended") == nil {
		t.Errorf("a shared disk: %s", got.raw)
	}
}

// TestPlacement are the resources that say where machines run, and what uses them.
func TestPlacement(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op, c := w.operator, s.hub+"/providers/Microsoft.Compute/"
	const rp = "Microsoft.Compute/"
	w.try(s.hub,
		attempt{"PUT", rp + "availabilitySets/as", obj{"location": "westeurope", "sku": obj{"name": "aligned"}, "properties": obj{"proximityPlacementGroup": ref(c + "proximityPlacementGroups/none")}}, 400, "InvalidResourceReference", nil},
		attempt{"PUT", rp + "proximityPlacementGroups/ppg", properties(obj{"proximityPlacementGroupType": "Odd"}), 400, "InvalidParameter", []string{"Odd"}},
		attempt{"PUT", rp + "proximityPlacementGroups/ppg", obj{"location": "westeurope"}, 201, "", []string{`"Standard"`}},
		attempt{"PUT", rp + "availabilitySets/as", obj{"location": "westeurope", "sku": obj{"name": "aligned"}, "properties": obj{"proximityPlacementGroup": ref(c + "proximityPlacementGroups/ppg")}}, 200, "", []string{`"Aligned"`, `"platformUpdateDomainCount":5`}},
		attempt{"PUT", rp + "capacityReservationGroups/crg/capacityReservations/r", obj{"location": "westeurope", "sku": obj{"name": "Standard_D2s_v3"}}, 400, "InvalidParameter", []string{"sku.capacity"}},
		attempt{"PUT", rp + "capacityReservationGroups/crg/capacityReservations/r", obj{"location": "westeurope", "sku": obj{"name": "Standard_D2s_v3", "capacity": 2}}, 201, "", nil},
		attempt{"DELETE", rp + "capacityReservationGroups/crg", nil, 409, "CannotDeleteResource", []string{"'Microsoft.Compute/capacityReservationGroups/crg/capacityReservations/r'"}},
		attempt{"PUT", rp + "hostGroups/bad", properties(obj{}), 400, "InvalidParameter", []string{"platformFaultDomainCount"}},
		attempt{"PUT", rp + "hostGroups/hg/hosts/h", obj{"location": "westeurope", "sku": obj{"name": "DSv3-Type1"}}, 201, "", nil},
		attempt{"PUT", rp + "virtualMachines/vm", properties(obj{"hardwareProfile": obj{"vmSize": "Standard_D2s_v3"}, "storageProfile": obj{}, "networkProfile": obj{"networkInterfaces": []obj{ref(s.nic)}},
			"availabilitySet": ref(c + "availabilitySets/as"), "host": ref(c + "hostGroups/hg/hosts/h"), "capacityReservation": obj{"capacityReservationGroup": ref(c + "capacityReservationGroups/crg")}}), 201, "", nil},
		attempt{"DELETE", rp + "availabilitySets/as", nil, 409, "OperationNotAllowed", []string{"Availability Set as cannot be deleted. Before deleting an Availability Set please ensure that it does not contain any VM."}},
		attempt{"DELETE", rp + "proximityPlacementGroups/ppg", nil, 409, "OperationNotAllowed", []string{"availabilitySets/as"}},
		attempt{"DELETE", rp + "hostGroups/hg/hosts/h", nil, 409, "OperationNotAllowed", []string{"virtualMachines/vm"}},
	)
	vm := c + "virtualMachines/vm"
	for id, path := range map[string]string{"availabilitySets/as": "properties.virtualMachines.0.id", "hostGroups/hg/hosts/h": "properties.virtualMachines.0.id", "capacityReservationGroups/crg": "properties.virtualMachinesAssociated.0.id"} {
		if got := op.get(c + id).ok(200).at(path); got != vm {
			t.Errorf("%s has %v", id, got)
		}
	}
	if got := op.get(c + "capacityReservationGroups/crg").ok(200).at("properties.capacityReservations.0.id"); got != c+"capacityReservationGroups/crg/capacityReservations/r" {
		t.Errorf("the reservation group has %v", got)
	}
}

// TestRegion is what drivers ask of a region: sizes, SKUs, usage.
func TestRegion(t *testing.T) {
	w := newWorld(t)
	op, rp := w.operator, w.platform+"/providers/Microsoft.Compute/"
	sizes := op.get(rp + "locations/westeurope/vmSizes?api-version=2019-07-01").ok(200)
	i := slices.Index(sizes.list("name"), "Standard_DS2_v2")
	if i < 0 || sizes.at(fmt.Sprintf("value.%d.maxDataDiskCount", i)) != 8.0 || sizes.at(fmt.Sprintf("value.%d.numberOfCores", i)) != 2.0 {
		t.Errorf("sizes: %s", sizes.raw)
	}
	skus := op.get(rp + "skus?api-version=2021-07-01&$filter=location eq 'westeurope'").ok(200)
	if kinds := skus.list("resourceType"); !slices.Contains(kinds, "disks") || !slices.Contains(kinds, "virtualMachines") || slices.ContainsFunc(skus.list("locations.0"), func(l string) bool { return l != "westeurope" }) {
		t.Errorf("SKUs: %v", kinds)
	}
	op.get(rp+"skus?api-version=2021-07-01&$filter=name eq 'x'").refused(400, "UnsupportedQuery")
	n := w.nodes("azure", 3)
	usage := n.w.operator.get(rp + "locations/westeurope/usages").ok(200)
	if got := fmt.Sprint(usage.list("name.value"), usage.list("currentValue")); got != "[availabilitySets cores virtualMachines virtualMachineScaleSets PremiumDiskCount] [0 6 3 1 3]" {
		t.Errorf("usage: %s", got)
	}
	reader := w.application("driver")
	operation := rp + "locations/westeurope/DiskOperations/" + guid()
	reader.get(operation).refused(403, "AuthorizationFailed", "Microsoft.Compute/locations/DiskOperations/read")
	w.allow(reader.id, w.platform, "Microsoft.Compute/locations/vmSizes/read", "Microsoft.Compute/locations/DiskOperations/read")
	reader.get(operation).refused(404, "NotFound")
	reader.get(rp + "locations/westeurope/vmSizes").ok(200)
	reader.get(rp+"skus").refused(403, "AuthorizationFailed", "Microsoft.Compute/skus/read")
}

// TestImageCatalogue walks down the image catalogue, whose lists are bare arrays.
func TestImageCatalogue(t *testing.T) {
	w := newWorld(t)
	op, rp := w.operator, w.platform+"/providers/Microsoft.Compute/locations/westeurope/publishers"
	names := func(path string) []string {
		t.Helper()
		var list []struct{ Name, ID string }
		r := op.get(path).ok(200)
		if err := json.Unmarshal([]byte(r.raw), &list); err != nil {
			t.Fatalf("%s: %v", r.raw, err)
		}
		var out []string
		for _, e := range list {
			if op.get(e.ID).status != 200 {
				t.Errorf("%s is listed and not there", e.ID)
			}
			out = append(out, e.Name)
		}
		return out
	}
	offers := rp + "/Canonical/artifacttypes/vmimage/offers"
	skus := offers + "/0001-com-ubuntu-server-jammy/skus"
	if got := names(rp); !slices.Contains(got, "MicrosoftWindowsServer") || slices.Index(got, "Canonical") < 0 {
		t.Errorf("publishers: %v", got)
	}
	if got := names(offers); len(got) != 3 {
		t.Errorf("offers: %v", got)
	}
	if got := names(skus); !slices.Equal(got, []string{"22_04-lts", "22_04-lts-gen2"}) {
		t.Errorf("SKUs: %v", got)
	}
	versions := names(skus + "/22_04-lts/versions?$top=1&$orderby=name%20desc")
	latest := op.get(skus + "/22_04-lts/versions/latest").ok(200)
	if len(versions) != 1 || latest.str("name") != versions[0] || latest.str("properties.osDiskImage.operatingSystem") != "Linux" {
		t.Errorf("versions %v, the latest is %s", versions, latest.raw)
	}
	op.get(skus+"/none/versions/latest").refused(404, "NotFound", "Canonical:0001-com-ubuntu-server-jammy:none")
}
