package cloud_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// The calls of Kubernetes' own Azure controllers (in-tree provider of 1.29), with the api-versions that they send,
// in the order that they were recorded in.
const (
	networkAPI   = "?api-version=2019-06-01"
	computeAPI   = "?api-version=2019-07-01"
	diskAPI      = "?api-version=2019-11-01"
	interfaceAPI = "?api-version=2017-03-30"
)

// nodes is a cluster as its controllers see it.
type nodes struct {
	*user   // the cluster's identity
	w       *world
	group   string // the node resource group
	network string // its network provider
	compute string
	set     string // the scale set
}

func (w *world) nodes(plugin string, count int) *nodes {
	w.Helper()
	group := w.group(w.platform, "rg-"+plugin)
	cluster := group + "/providers/Microsoft.ContainerService/managedClusters/c"
	made := w.operator.run("PUT", cluster, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"},
		"properties": obj{"networkProfile": obj{"networkPlugin": plugin}, "agentPoolProfiles": []obj{pool(obj{"count": count})}}}).ok(200)
	n := &nodes{user: w.machine(cluster), w: w, group: w.platform + "/resourceGroups/" + made.str("properties.nodeResourceGroup")}
	n.network, n.compute = n.group+"/providers/Microsoft.Network/", n.group+"/providers/Microsoft.Compute/"
	n.set = n.compute + "virtualMachineScaleSets/" + scaleSet(w, n.group)
	return n
}

// add appends to an array in an answer's body.
func (r reply) add(path string, v any) {
	parent, name, _ := strings.Cut(path, ".")
	m := r.body[parent].(map[string]any)
	list, _ := m[name].([]any)
	m[name] = append(list, v)
}

func names(list any) []string {
	var out []string
	all, _ := list.([]any)
	for _, e := range all {
		m := e.(map[string]any)
		if id, ok := m["id"].(string); ok {
			out = append(out, id)
		}
	}
	return out
}

// instances are what the controllers list before they change machines.
func (n *nodes) instances() []map[string]any {
	n.w.Helper()
	list := n.get(n.set + "/virtualMachines" + computeAPI + "&$expand=instanceView").ok(200)
	var out []map[string]any
	for i := range list.list("id") {
		vm := list.at(fmt.Sprintf("value.%d", i)).(map[string]any)
		r := reply{w: n.w, body: vm}
		if !strings.HasSuffix(r.str("properties.osProfile.computerName"), fmt.Sprintf("vmss%06d", i)) || r.str("instanceId") != fmt.Sprint(i) || r.at("properties.instanceView.platformFaultDomain") == nil ||
			r.str("properties.instanceView.statuses.1.code") != "PowerState/running" || r.str("properties.provisioningState") != "Succeeded" || r.str("sku.name") == "" {
			n.w.Fatalf("a controller could not use instance %v", vm)
		}
		out = append(out, vm)
	}
	return out
}

// setPools writes the pools of every instance and of the scale set as the controllers do: with bodies that hold nothing else.
func (n *nodes) setPools(pools []string) {
	n.w.Helper()
	config := func(r reply, path string) map[string]any {
		c := r.at(path).(map[string]any)
		p := c["networkInterfaceConfigurations"].([]any)[0].(map[string]any)["properties"].(map[string]any)["ipConfigurations"].([]any)[0].(map[string]any)["properties"].(map[string]any)
		var refs []any
		for _, id := range pools {
			refs = append(refs, obj{"id": id})
		}
		p["loadBalancerBackendAddressPools"] = refs
		return c
	}
	for i, vm := range n.instances() {
		c := config(reply{w: n.w, body: vm}, "properties.networkProfileConfiguration")
		path := fmt.Sprintf("%s/virtualMachines/%d", n.set, i)
		n.put(path+computeAPI, obj{"location": vm["location"], "sku": vm["sku"], "properties": obj{"hardwareProfile": vm["properties"].(map[string]any)["hardwareProfile"], "networkProfileConfiguration": c}}).ok(200)
		if r := n.get(path + computeAPI).ok(200); r.str("properties.osProfile.computerName") == "" {
			n.w.Fatalf("a partial PUT lost the instance's name: %s", r.raw)
		}
	}
	set := n.get(n.set + computeAPI).ok(200)
	c := config(set, "properties.virtualMachineProfile.networkProfile")
	n.put(n.set+computeAPI, obj{"location": set.body["location"], "sku": set.body["sku"], "properties": obj{"virtualMachineProfile": obj{"networkProfile": c}}}).ok(200)
	after := n.get(n.set + computeAPI).ok(200)
	if after.str("properties.virtualMachineProfile.osProfile.computerNamePrefix") == "" || after.str("tags.aks-managed-poolName") == "" || after.at("identity") == nil {
		n.w.Fatalf("a partial PUT lost members of the scale set: %s", after.raw)
	}
}

// frontend adds what a Service needs to a load balancer.
func service(lb reply, id, name string, front obj) {
	lb.add("properties.frontendIPConfigurations", obj{"name": name, "properties": front})
	lb.add("properties.probes", obj{"name": name + "-TCP-80", "properties": obj{"protocol": "Tcp", "port": 30080, "intervalInSeconds": 5, "numberOfProbes": 2}})
	lb.add("properties.loadBalancingRules", obj{"name": name + "-TCP-80", "properties": obj{"protocol": "Tcp", "frontendPort": 80, "backendPort": 80, "enableFloatingIP": true, "loadDistribution": "Default",
		"frontendIPConfiguration": ref(id + "/frontendIPConfigurations/" + name), "backendAddressPool": ref(id + "/backendAddressPools/kubernetes"), "probe": ref(id + "/probes/" + name + "-TCP-80")}})
}

// TestExternalLoadBalancer is EnsureLoadBalancer and EnsureLoadBalancerDeleted of a Service with a public address.
func TestExternalLoadBalancer(t *testing.T) {
	n := newWorld(t).nodes("azure", 2)
	lb, ip := n.network+"loadBalancers/kubernetes", n.network+"publicIPAddresses/kubernetes-a0123"
	if got := n.get(n.network + "loadBalancers" + networkAPI).ok(200).list("name"); !slices.Equal(got, []string{"kubernetes"}) {
		t.Fatalf("load balancers: %v", got)
	}
	n.get(ip+networkAPI).refused(404, "ResourceNotFound")
	n.put(ip+networkAPI, obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "tags": obj{"service": "default/web"}, "properties": obj{"publicIPAddressVersion": "IPv4", "publicIPAllocationMethod": "Static"}}).ok(201)
	address := n.get(ip + networkAPI).ok(200).str("properties.ipAddress")
	if address == "" {
		t.Error("the address is not there at once")
	}
	body := n.get(lb + networkAPI).ok(200)
	service(body, lb, "a0123", obj{"publicIPAddress": ref(ip)})
	n.put(lb+networkAPI, body.body).ok(200)
	made := n.get(lb + networkAPI).ok(200)
	front := made.at("properties.frontendIPConfigurations.1").(map[string]any)
	if front["id"] != lb+"/frontendIPConfigurations/a0123" || front["etag"] != made.str("etag") || made.at("properties.frontendIPConfigurations.1.properties.loadBalancingRules.0.id") != lb+"/loadBalancingRules/a0123-TCP-80" {
		t.Errorf("the frontend is %v", front)
	}
	pools := names(made.at("properties.backendAddressPools"))
	n.setPools(pools)
	if got := n.get(ip + networkAPI).ok(200).str("properties.ipConfiguration.id"); got != front["id"] {
		t.Errorf("the address is used by %q", got)
	}

	group := n.network + "networkSecurityGroups/" + n.get(n.network + "networkSecurityGroups" + networkAPI).ok(200).list("name")[0]
	rules := n.get(group + networkAPI).ok(200)
	rules.add("properties.securityRules", obj{"name": "a0123-TCP-80-Internet", "properties": obj{"protocol": "Tcp", "sourcePortRange": "*", "destinationPortRange": "80", "sourceAddressPrefix": "Internet", "destinationAddressPrefix": address, "access": "Allow", "priority": 500, "direction": "Inbound"}})
	n.put(group+networkAPI, rules.body).ok(200)
	if got := n.get(group + networkAPI).ok(200); len(names(got.at("properties.securityRules"))) != 1 || len(names(got.at("properties.defaultSecurityRules"))) != 6 {
		t.Errorf("the rules are %s", got.raw)
	}
	tagged := n.get(ip + networkAPI).ok(200)
	tagged.body["tags"].(map[string]any)["kubernetes-cluster-name"] = "c"
	n.put(ip+networkAPI, tagged.body).ok(200)
	if got := n.get(ip + networkAPI).ok(200); got.str("properties.ipAddress") != address || got.str("tags.kubernetes-cluster-name") != "c" {
		t.Errorf("tagging changed the address: %s", got.raw)
	}

	n.delete(ip+networkAPI).refused(400, "PublicIPAddressCannotBeDeleted", lb+"/frontendIPConfigurations/a0123")
	body = n.get(lb + networkAPI).ok(200)
	p := body.body["properties"].(map[string]any)
	for _, list := range []string{"frontendIPConfigurations", "loadBalancingRules", "probes"} {
		p[list] = slices.DeleteFunc(p[list].([]any), func(e any) bool { return strings.HasPrefix(e.(map[string]any)["name"].(string), "a0123") })
	}
	n.put(lb+networkAPI, body.body).ok(200)
	if got := n.get(lb + networkAPI).ok(200); len(names(got.at("properties.loadBalancingRules"))) != 0 || got.at("properties.backendAddressPools.1.properties.loadBalancingRules") != nil {
		t.Errorf("the rules are still there: %s", got.raw)
	}
	n.delete(ip + networkAPI).ok(202)
	if got := n.get(n.network + "publicIPAddresses" + networkAPI).ok(200).list("name"); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
}

// TestInternalLoadBalancer is the same with an address of the cluster's subnet, and a load balancer that goes with its last Service.
func TestInternalLoadBalancer(t *testing.T) {
	n := newWorld(t).nodes("azure", 2)
	lb := n.network + "loadBalancers/kubernetes-internal"
	vnet := n.network + "virtualNetworks/" + n.get(n.network + "virtualNetworks" + networkAPI).ok(200).list("name")[0]
	subnet := n.get(vnet + "/subnets/aks-subnet" + networkAPI).ok(200)
	if got := names(subnet.at("properties.ipConfigurations")); len(got) != 2 {
		t.Errorf("in the subnet: %v", got)
	}
	body := reply{w: n.w, body: obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "properties": obj{"backendAddressPools": []any{obj{"name": "kubernetes"}}}}}
	service(body, lb, "a0456", obj{"subnet": ref(subnet.str("id"))})
	n.put(lb+networkAPI, body.body).ok(201)
	made := n.get(lb + networkAPI).ok(200)
	if got := made.str("properties.frontendIPConfigurations.0.properties.privateIPAddress"); got != "10.224.0.6" {
		t.Errorf("the frontend's address is %q: the nodes have the two before it", got)
	}
	if made.at("properties.backendAddressPools.0.properties") == nil {
		t.Error("a pool without properties")
	}
	before := names(n.get(n.network + "loadBalancers/kubernetes" + networkAPI).ok(200).at("properties.backendAddressPools"))
	pool := lb + "/backendAddressPools/kubernetes"
	n.setPools(append(slices.Clone(before), pool))
	members := names(n.get(lb + networkAPI).ok(200).at("properties.backendAddressPools.0.properties.backendIPConfigurations"))
	if len(members) != 2 || !strings.HasPrefix(members[0], n.set+"/virtualMachines/0/networkInterfaces/") || !strings.Contains(members[0], "/ipConfigurations/") {
		t.Errorf("members of the pool: %v", members)
	}

	n.delete(lb+networkAPI).refused(400, "LoadBalancerInUseByVirtualMachineScaleSet", "Cannot delete load balancer "+lb+" since its child resources kubernetes are in use by virtual machine scale set "+n.set+".")
	n.delete(vnet+"/subnets/aks-subnet"+networkAPI).refused(400, "InUseSubnetCannotBeDeleted")
	n.setPools(before)
	if got := n.get(lb + networkAPI).ok(200).at("properties.backendAddressPools.0.properties.backendIPConfigurations"); got != nil {
		t.Errorf("still members of the pool: %v", got)
	}
	n.delete(lb + networkAPI).ok(202)
	n.get(lb+networkAPI).refused(404, "ResourceNotFound")
}

// TestRoutes is ListRoutes, CreateRoute and DeleteRoute: the whole table is written, against its etag.
func TestRoutes(t *testing.T) {
	n := newWorld(t).nodes("kubenet", 1)
	table := n.network + "routeTables/" + n.get(n.network + "routeTables" + networkAPI).ok(200).list("name")[0]
	vm := n.instances()[0]
	nic := reply{w: n.w, body: vm}.str("properties.networkProfile.networkInterfaces.0.id")
	if !strings.HasPrefix(nic, n.set+"/virtualMachines/0/networkInterfaces/") {
		t.Fatalf("the interface is %q", nic)
	}
	r := n.get(nic + interfaceAPI).ok(200)
	if r.at("properties.primary") != true || r.at("properties.ipConfigurations.0.properties.primary") != true {
		t.Errorf("the interface is not primary: %s", r.raw)
	}
	hop := r.str("properties.ipConfigurations.0.properties.privateIPAddress")
	route := obj{"name": "aks-node0____1024400024", "properties": obj{"addressPrefix": "10.244.0.0/24", "nextHopType": "VirtualAppliance", "nextHopIpAddress": hop}}
	body := n.get(table + networkAPI).ok(200)
	stale := body.str("etag")
	body.add("properties.routes", route)
	write := func(etag string, body obj) reply {
		req := httptest.NewRequest("PUT", "https://"+host+table+networkAPI, strings.NewReader(asJSON(body)))
		req.Header.Set("Authorization", "Bearer "+n.token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-Match", etag)
		return n.w.serve(req)
	}
	write(stale, body.body).ok(200)
	got := n.get(table + networkAPI).ok(200)
	if got.str("properties.routes.0.properties.nextHopIpAddress") != hop || got.str("properties.routes.0.id") != table+"/routes/aks-node0____1024400024" || len(names(got.at("properties.subnets"))) != 1 {
		t.Errorf("the table is %s", got.raw)
	}
	got.body["properties"].(map[string]any)["routes"] = []any{}
	write(stale, got.body).refused(412, "PreconditionFailed")
	write(got.str("etag"), got.body).ok(200)
	if got := n.get(table + networkAPI).ok(200).at("properties.routes"); len(got.([]any)) != 0 {
		t.Errorf("routes: %v", got)
	}
}

// TestDisks is CreateManagedDisk, AttachDisk, GetDiskLun, DetachDisk and DeleteManagedDisk.
func TestDisks(t *testing.T) {
	n := newWorld(t).nodes("azure", 2)
	disk := n.compute + "disks/pvc-1"
	made := n.put(disk+diskAPI, obj{"location": "westeurope", "tags": obj{"created-by": "kubernetes-azure-dd"}, "sku": obj{"name": "StandardSSD_LRS"}, "properties": obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 16}}).ok(202)
	if made.str("properties.provisioningState") != "Succeeded" || made.str("properties.diskState") != "Unattached" || made.at("managedBy") != nil || made.str("sku.tier") != "Standard" {
		t.Errorf("a new disk is %s", made.raw)
	}
	vm := func(i int) string { return fmt.Sprintf("%s/virtualMachines/%d", n.set, i) }
	storage := func(disks ...obj) obj {
		return obj{"location": "westeurope", "properties": obj{"storageProfile": obj{"dataDisks": disks}}}
	}
	entry := obj{"lun": 0, "name": "pvc-1", "createOption": "Attach", "caching": "ReadOnly", "managedDisk": ref(disk)}
	n.put(vm(0)+computeAPI, storage(entry)).ok(200)
	got := n.get(vm(0) + computeAPI).ok(200)
	if got.str("properties.storageProfile.dataDisks.0.managedDisk.id") != disk || got.at("properties.storageProfile.dataDisks.0.lun") != 0.0 || got.at("properties.storageProfile.dataDisks.0.diskSizeGB") != 16.0 || got.at("properties.storageProfile.osDisk") == nil {
		t.Errorf("attached: %s", got.raw)
	}
	if r := n.get(disk + diskAPI).ok(200); r.str("managedBy") != vm(0) || r.str("properties.diskState") != "Attached" {
		t.Errorf("the attached disk is %s", r.raw)
	}
	n.put(vm(1)+computeAPI, storage(entry)).refused(409, "ConflictingUserInput", "Disk '"+disk+"' cannot be attached as the disk is already owned by VM '"+vm(0)+"'.")
	n.put(vm(0)+computeAPI, storage(entry, obj{"lun": 0, "createOption": "Empty", "diskSizeGB": 4})).refused(400, "InvalidParameter", "A disk at LUN 0 already exists.")
	n.delete(disk+diskAPI).refused(409, "OperationNotAllowed", "Disk pvc-1 is attached to VM "+vm(0))
	n.do("PATCH", disk+diskAPI, obj{"properties": obj{"diskSizeGB": 32}}).ok(202)
	n.do("PATCH", disk+diskAPI, obj{"properties": obj{"diskSizeGB": 8}}).refused(400, "ResizeDiskError")

	entry["toBeDetached"] = true
	n.put(vm(0)+computeAPI, storage(entry)).ok(200)
	if r := n.get(vm(0) + computeAPI).ok(200); len(r.at("properties.storageProfile.dataDisks").([]any)) != 0 {
		t.Errorf("detached: %s", r.raw)
	}
	if r := n.get(disk + diskAPI).ok(200); r.at("managedBy") != nil || r.str("properties.diskState") != "Unattached" || r.at("properties.diskSizeGB") != 32.0 {
		t.Errorf("the detached disk is %s", r.raw)
	}
	delete(entry, "toBeDetached")
	n.put(vm(1)+computeAPI, storage(entry)).ok(200)
	n.put(vm(1)+computeAPI, storage()).ok(200)
	n.delete(disk + diskAPI).ok(202)
	n.get(disk+diskAPI).refused(404, "ResourceNotFound")
}

// TestNodeLifecycle is what node controllers see when machines come and go.
func TestNodeLifecycle(t *testing.T) {
	n := newWorld(t).nodes("azure", 3)
	op := n.w.operator
	n.do("POST", n.set+"/delete"+computeAPI, obj{"instanceIds": []string{"1"}}).ok(202)
	if got := n.get(n.set + "/virtualMachines" + computeAPI).ok(200).list("instanceId"); !slices.Equal(got, []string{"0", "2"}) {
		t.Errorf("instances: %v", got)
	}
	if got := n.get(n.set + computeAPI).ok(200).at("sku.capacity"); got != 2.0 {
		t.Errorf("the capacity is %v", got)
	}
	n.get(n.set+"/virtualMachines/1"+computeAPI).refused(404, "ResourceNotFound")
	cluster := n.w.platform + "/resourceGroups/rg-azure/providers/Microsoft.ContainerService/managedClusters/c/agentPools/nodepool1"
	scaled := op.get(cluster).ok(200)
	scaled.body["properties"].(map[string]any)["count"] = 4
	op.run("PUT", cluster, scaled.body).ok(200)
	if got := n.get(n.set + "/virtualMachines" + computeAPI).ok(200).list("properties.osProfile.computerName"); len(got) != 4 || !strings.HasSuffix(got[2], "vmss000003") || !strings.HasSuffix(got[3], "vmss000004") {
		t.Errorf("after scaling out: %v", got)
	}
	n.do("POST", n.set+"/virtualMachines/0/deallocate"+computeAPI, nil).ok(202)
	if got := n.get(n.set + "/virtualMachines/0/instanceView" + computeAPI).ok(200); got.str("statuses.1.code") != "PowerState/deallocated" {
		t.Errorf("a stopped machine: %s", got.raw)
	}
	n.delete(n.set + "/virtualMachines/0" + computeAPI).ok(202)
	disks := n.get(n.compute + "disks" + diskAPI).ok(200).list("managedBy")
	if len(disks) != 3 || slices.Contains(disks, n.set+"/virtualMachines/0") {
		t.Errorf("disks of machines: %v", disks)
	}
}

func asJSON(v any) string { b, _ := json.Marshal(v); return string(b) }
