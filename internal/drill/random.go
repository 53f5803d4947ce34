package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// configuration is a random cluster in random surroundings, and random grants to its identities. It follows from the
// seed and its number alone.
type configuration struct {
	*operator
	*rand.Rand
	number  int
	lacking azure.Action // what is missing, and nothing else; "": chance decides
	says    []string     // what was chosen, in words

	group, shared azure.ID // resource groups: of the cluster, and of what it uses
	cluster       azure.ID
	identity      azure.ID // user-assigned control plane, or none
	kubelet       azure.ID // brought kubelet identity, or none
	subnets       []azure.ID
	pods          azure.ID // the pods' subnet, if they have one
	frontend      azure.ID // a subnet for internal services
	gateway       azure.ID // NAT gateway
	table         azure.ID
	outbound      azure.ID // address or prefix
	encryption    azure.ID // disk encryption set
	abac          bool     // the registry's mode
	body          doc      // of the cluster
	made          doc      // the cluster as it was made
	address       azure.ID // static, of a service
	disk          azure.ID // of a volume
	registry      azure.ID
	objects       []map[string]any  // of Kubernetes
	groups        map[string]bool   // of the operations that are tried
	lockdown      bool              // nobody but AKS and the cluster's identity may change the node resource group
	control       azure.PrincipalID // who the control plane acts as; zero for a system-assigned identity before there is a cluster
	old           bool              // a service principal is control plane and kubelet in one
}

const region = "westeurope"

func newConfiguration(o *operator, seed, number int) *configuration {
	c := &configuration{operator: o, Rand: rand.New(rand.NewPCG(uint64(seed), uint64(number))), number: number}
	name := fmt.Sprintf("c%05d", number)
	platform, hub := azure.SubscriptionID(o.Subscriptions[0].ID), azure.SubscriptionID(o.Subscriptions[1].ID)
	c.group = platform.Join("resourceGroups", name)
	c.shared = platform.Join("resourceGroups", name+"-shared")
	if c.chance(25) {
		c.say("network and registry in another subscription")
		c.shared = hub.Join("resourceGroups", name+"-shared")
	}
	c.cluster = c.group.Resource(estate.TypeCluster, name)
	c.groups = map[string]bool{}
	for _, op := range Operations() {
		if _, chosen := c.groups[op.Group]; !chosen && op.manage == nil { // what AKS does is not Kubernetes' code
			c.groups[op.Group] = c.chance(50)
		}
	}
	return c
}

// chance is true in so many of a hundred cases.
func (c *configuration) chance(percent int) bool { return c.IntN(100) < percent }

func (c *configuration) say(format string, args ...any) {
	c.says = append(c.says, fmt.Sprintf(format, args...))
}

func pick[T any](c *configuration, all ...T) T { return all[c.IntN(len(all))] }

// build makes everything: first the cluster, with what its creation takes, then the grants that are tried.
func (c *configuration) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		c.makeGroups, c.makeIdentity, c.makeNetwork, c.makeOutbound, c.makeLockdown, c.makeEncryption, c.makeTargets, c.makeCluster, c.grantAll,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("configuration %d: %w", c.number, err)
		}
	}
	return nil
}

// make puts a resource in the region.
func (c *configuration) make(ctx context.Context, id azure.ID, body doc) error {
	body["location"] = region
	_, err := c.put(ctx, id, body)
	return err
}

// near is a resource that the cluster uses: the provider finds some of them in the cluster's own subscription alone.
func (c *configuration) near() azure.ID {
	return azure.SubscriptionID(c.group.Subscription()).Join("resourceGroups", c.group.Name()+"-near")
}

func (c *configuration) makeGroups(ctx context.Context) error {
	for _, id := range []azure.ID{c.group, c.shared, c.near()} {
		if err := c.make(ctx, id, doc{}); err != nil {
			return err
		}
	}
	return nil
}

// makeIdentity begins the cluster's document with who it is.
func (c *configuration) makeIdentity(ctx context.Context) error {
	c.body = doc{"location": region, "properties": doc{"dnsPrefix": c.cluster.Name()}}
	if c.chance(8) {
		return c.makeServicePrincipal(ctx)
	}
	if c.chance(30) {
		c.say("system-assigned control plane")
		c.body["identity"] = doc{"type": "SystemAssigned"}
		return nil
	}
	c.say("user-assigned control plane")
	c.identity = pick(c, c.group, c.shared).Resource(typeIdentity, "control")
	c.body["identity"] = doc{"type": "UserAssigned", "userAssignedIdentities": doc{c.identity.String(): doc{}}}
	made, err := c.put(ctx, c.identity, doc{"location": region})
	if err != nil {
		return err
	}
	if c.control, err = azure.ParseGUID(text(made, "properties", "principalId")); err != nil || !c.chance(30) {
		return err
	}
	c.say("brought kubelet identity")
	c.kubelet = c.shared.Resource(typeIdentity, "kubelet")
	c.set(doc{"kubeletidentity": doc{"resourceId": c.kubelet.String()}}, "identityProfile")
	return c.make(ctx, c.kubelet, doc{})
}

// makeServicePrincipal makes a cluster of the old kind: a service principal is control plane and kubelet in one.
func (c *configuration) makeServicePrincipal(ctx context.Context) error {
	c.say("service principal")
	var app struct{ AppID azure.GUID }
	if err := c.call(ctx, http.MethodPost, "/v1.0/applications", doc{"displayName": c.cluster.Name()}, &app); err != nil {
		return err
	}
	var made struct{ ID azure.PrincipalID }
	if err := c.call(ctx, http.MethodPost, "/v1.0/servicePrincipals", doc{"appId": app.AppID}, &made); err != nil {
		return err
	}
	token, err := c.bearer(ctx)
	if err != nil {
		return err
	}
	secret, err := c.AddSecret(ctx, token, made.ID, "cluster", time.Now().Add(time.Hour))
	c.control, c.old = made.ID, true
	c.set(app.AppID.String(), "servicePrincipalProfile", "clientId")
	c.set(secret.Text, "servicePrincipalProfile", "secret")
	return err
}

const typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

// set puts a value into the cluster's properties.
func (c *configuration) set(v any, path ...string) {
	m := c.body["properties"].(doc)
	for _, p := range path[:len(path)-1] {
		if m[p] == nil {
			m[p] = doc{}
		}
		m = m[p].(doc)
	}
	m[path[len(path)-1]] = v
}

// makeNetwork chooses the network plugin, the pools and where they stand.
func (c *configuration) makeNetwork(ctx context.Context) error {
	plugin := pick(c, "kubenet", "kubenet", "azure", "overlay")
	c.say("%s", plugin)
	if plugin == "overlay" {
		c.set("overlay", "networkProfile", "networkPluginMode")
		plugin = "azure"
	}
	c.set(plugin, "networkProfile", "networkPlugin")
	pools := 1 + c.IntN(2)
	if c.chance(65) {
		if err := c.makeSubnets(ctx, pools, plugin == "kubenet", plugin == "azure"); err != nil {
			return err
		}
	}
	var all []any
	for i := range pools {
		pool := doc{"name": fmt.Sprintf("pool%d", i), "mode": "System", "count": 1 + c.IntN(2), "vmSize": "Standard_DS2_v2", "type": "VirtualMachineScaleSets"}
		if len(c.subnets) > 0 {
			pool["vnetSubnetID"] = c.odd(c.subnets[i%len(c.subnets)])
		}
		if !c.pods.IsZero() {
			pool["podSubnetID"] = c.odd(c.pods)
		}
		all = append(all, pool)
	}
	c.set(all, "agentPoolProfiles")
	return nil
}

// odd is an id as it may stand in a document: some write the name of a resource group as it is not, and Azure does not mind.
func (c *configuration) odd(id azure.ID) string {
	if !c.chance(15) {
		return id.String()
	}
	group := "/" + id.ResourceGroup() + "/"
	return strings.Replace(id.String(), group, strings.ToUpper(group), 1)
}

// makeSubnets makes a brought network. A system-assigned control plane cannot have a brought route table with kubenet.
func (c *configuration) makeSubnets(ctx context.Context, pools int, kubenet, ownPods bool) error {
	vnet := c.shared.Resource(estate.TypeNetwork, "vnet")
	if (!kubenet || !c.control.IsZero()) && c.chance(60) {
		c.table = c.shared.Resource(estate.TypeRouteTable, "routes")
		if err := c.make(ctx, c.table, doc{}); err != nil {
			return err
		}
	}
	if err := c.makeGateway(ctx); err != nil {
		return err
	}
	n := 1
	if pools > 1 && c.chance(50) {
		n = 2
	}
	subnets := c.sideSubnets(vnet, ownPods)
	for i := range n {
		id := vnet.Join("subnets", fmt.Sprintf("nodes%d", i))
		properties := doc{"addressPrefix": fmt.Sprintf("10.1.%d.0/24", i)}
		if !c.table.IsZero() {
			properties["routeTable"] = doc{"id": c.table.String()}
		}
		if !c.gateway.IsZero() {
			properties["natGateway"] = doc{"id": c.gateway.String()}
		}
		c.subnets = append(c.subnets, id)
		subnets = append(subnets, doc{"name": id.Name(), "properties": properties})
	}
	c.say("%d brought subnets, route table: %t", n, !c.table.IsZero())
	return c.make(ctx, vnet, doc{"properties": doc{"addressSpace": doc{"addressPrefixes": []any{"10.1.0.0/16"}}, "subnets": subnets}})
}

// sideSubnets are the subnets of a network in which no nodes stand.
func (c *configuration) sideSubnets(vnet azure.ID, ownPods bool) (all []any) {
	if ownPods && c.chance(35) {
		c.pods = vnet.Join("subnets", "pods")
		c.say("pods in a subnet of their own")
		all = append(all, doc{"name": "pods", "properties": doc{"addressPrefix": "10.1.64.0/20"}})
	}
	if c.chance(40) {
		c.frontend = vnet.Join("subnets", "frontends")
		c.say("an internal service in a subnet of its own")
		all = append(all, doc{"name": "frontends", "properties": doc{"addressPrefix": "10.1.200.0/24"}})
		c.objects = append(c.objects, doc{"kind": "Service", "metadata": doc{"name": "inside", "annotations": doc{annotationInternal: "true", annotationSubnet: "frontends"}},
			"spec": doc{"type": "LoadBalancer"}})
	}
	return all
}

// makeGateway sometimes makes a NAT gateway for the subnets to come.
func (c *configuration) makeGateway(ctx context.Context) error {
	if !c.chance(15) {
		return nil
	}
	c.gateway = c.shared.Resource("Microsoft.Network/natGateways", "nat")
	address := c.shared.Resource(publicIPs, "nat")
	if err := c.make(ctx, address, doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}}); err != nil {
		return err
	}
	return c.make(ctx, c.gateway, doc{"sku": standard, "properties": doc{"publicIpAddresses": []any{doc{"id": address.String()}}}})
}

// makeLockdown sometimes lets AKS deny everybody else to change the node resource group.
func (c *configuration) makeLockdown(context.Context) error {
	if c.lockdown = c.chance(8); c.lockdown {
		c.say("node resource group locked down")
		c.set("ReadOnly", "nodeResourceGroupProfile", "restrictionLevel")
	}
	return nil
}

var standard = doc{"name": "Standard"}

// makeOutbound chooses how outbound traffic leaves.
func (c *configuration) makeOutbound(ctx context.Context) error {
	switch n := c.IntN(100); {
	case !c.gateway.IsZero():
		c.set("userAssignedNATGateway", "networkProfile", "outboundType")
		c.say("outbound traffic by a NAT gateway of the user's")
	case n >= 90 && len(c.subnets) == 0:
		c.set("managedNATGateway", "networkProfile", "outboundType")
		c.say("outbound traffic by a NAT gateway of AKS's")
	case n < 20:
		c.outbound = c.near().Resource(publicIPs, "outbound")
		c.set([]any{doc{"id": c.odd(c.outbound)}}, "networkProfile", "loadBalancerProfile", "outboundIPs", "publicIPs")
		c.say("brought outbound address")
		return c.make(ctx, c.outbound, doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}})
	case n < 30:
		c.outbound = c.near().Resource(publicPrefixes, "outbound")
		c.set([]any{doc{"id": c.odd(c.outbound)}}, "networkProfile", "loadBalancerProfile", "outboundIPPrefixes", "publicIPPrefixes")
		c.say("brought outbound prefix")
		return c.make(ctx, c.outbound, doc{"sku": standard, "properties": doc{"prefixLength": 31}})
	case n < 50 && !c.table.IsZero():
		c.set("userDefinedRouting", "networkProfile", "outboundType")
		c.say("outbound traffic by routes of the user's")
	}
	return nil
}

func (c *configuration) makeEncryption(ctx context.Context) error {
	if !c.chance(15) {
		return nil
	}
	c.say("disk encryption set")
	c.encryption = c.near().Resource(encryptionSets, "des")
	c.set(c.odd(c.encryption), "diskEncryptionSetID")
	return c.make(ctx, c.encryption, doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"activeKey": doc{"keyUrl": "https://drill.vault.azure.net/keys/disks/1"}}})
}

// makeTargets makes what workloads use, and the Kubernetes objects that name it: a service's static address, a volume's
// disk, a pod's registry.
func (c *configuration) makeTargets(ctx context.Context) error {
	for _, make := range []func(context.Context) error{c.makeAddress, c.makeDisk, c.makeRegistry} {
		if c.chance(65) {
			if err := make(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *configuration) makeAddress(ctx context.Context) error {
	c.address = c.near().Resource(publicIPs, "static")
	made, err := c.put(ctx, c.address, doc{"location": region, "sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}})
	c.objects = append(c.objects, doc{"kind": "Service", "metadata": doc{"name": "static", "annotations": doc{annotationGroup: c.address.ResourceGroup()}},
		"spec": doc{"type": "LoadBalancer", "loadBalancerIP": text(made, "properties", "ipAddress")}})
	return err
}

func (c *configuration) makeDisk(ctx context.Context) error {
	c.disk = c.near().Resource(disks, "static")
	c.objects = append(c.objects, doc{"kind": "PersistentVolume", "metadata": doc{"name": "static"},
		"spec": doc{"csi": doc{"driver": "disk.csi.azure.com", "volumeHandle": c.disk.String()}}})
	return c.make(ctx, c.disk, doc{"sku": doc{"name": "StandardSSD_LRS"}, "properties": doc{"creationData": doc{"createOption": "Empty"}, "diskSizeGB": 4}})
}

func (c *configuration) makeRegistry(ctx context.Context) error {
	c.registry = c.shared.Resource(estate.TypeRegistry, fmt.Sprintf("drill%05d", c.number))
	c.objects = append(c.objects, doc{"kind": "Pod", "metadata": doc{"name": "pulls", "namespace": "default"},
		"spec": doc{"containers": []any{doc{"image": c.registry.Name() + c.Cloud().RegistrySuffix + "/drill:1"}}}})
	mode := "LegacyRegistryPermissions"
	if c.abac = c.chance(30); c.abac {
		c.say("registry with repository permissions")
		mode = "AbacRepositoryPermissions"
	}
	return c.make(ctx, c.registry, doc{"sku": standard, "properties": doc{"roleAssignmentMode": mode, "anonymousPullEnabled": c.chance(8)}})
}

// makeCluster makes the cluster. AKS checks two rights before it starts: they are lent for as long.
func (c *configuration) makeCluster(ctx context.Context) error {
	if !c.control.IsZero() {
		for _, scope := range []azure.ID{c.table, c.kubelet} {
			if scope.IsZero() {
				continue
			}
			lent, err := c.assign(ctx, roleOf("Owner"), c.control, scope, nil)
			if err != nil {
				return err
			}
			defer c.remove(context.WithoutCancel(ctx), lent)
		}
	}
	if _, err := c.put(ctx, c.cluster, c.body); err != nil {
		return err
	}
	var err error
	if c.made, err = c.awaitCluster(ctx, c.cluster); err != nil || !c.control.IsZero() {
		return err
	}
	c.control, err = azure.ParseGUID(text(c.made, "identity", "principalId"))
	return err
}

// awaitCluster waits until AKS is done with a cluster.
func (o *operator) awaitCluster(ctx context.Context, id azure.ID) (doc, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		d, err := o.get(ctx, id)
		if err != nil {
			return nil, err
		}
		switch state := text(d, "properties", "provisioningState"); state {
		case "Succeeded":
			return d, nil
		case "Failed", "Canceled":
			return nil, fmt.Errorf("the creation of cluster %s ended as %s", id.Name(), state)
		}
	}
}

// roleOf is a built-in role.
func roleOf(name string) azure.GUID {
	r, ok := rbac.BuiltInRole(name)
	if !ok {
		panic("there is no built-in role " + name)
	}
	return r.ID
}

// newAssignment is the id of a role assignment that is to be made.
func newAssignment(scope azure.ID) azure.ID {
	return scope.Resource("Microsoft.Authorization/roleAssignments", azure.NewGUID().String())
}

// assign gives a role and returns the assignment.
func (o *operator) assign(ctx context.Context, role azure.GUID, to azure.PrincipalID, scope azure.ID, more doc) (azure.ID, error) {
	id := newAssignment(scope)
	return id, o.assignAs(ctx, id, role, to, scope, more)
}

func (o *operator) assignAs(ctx context.Context, id azure.ID, role azure.GUID, to azure.PrincipalID, scope azure.ID, more doc) error {
	at := azure.Root
	if sub := scope.Subscription(); sub != "" {
		at = azure.SubscriptionID(sub)
	}
	properties := doc{"principalId": to.String(), "principalType": "ServicePrincipal",
		"roleDefinitionId": at.Resource("Microsoft.Authorization/roleDefinitions", role.String()).String()}
	for k, v := range more {
		properties[k] = v
	}
	_, err := o.put(ctx, id, doc{"properties": properties})
	return err
}

// defineRole makes a custom role of actions but some, for one subscription.
func (o *operator) defineRole(ctx context.Context, scope azure.ID, name string, actions, not, data []string) (azure.GUID, error) {
	role := azure.NewGUID()
	sub := azure.SubscriptionID(scope.Subscription())
	_, err := o.put(ctx, sub.Resource("Microsoft.Authorization/roleDefinitions", role.String()), doc{"properties": doc{
		"roleName": name + " " + role.String(), "type": "CustomRole", "assignableScopes": []any{sub.String()},
		"permissions": []any{doc{"actions": actions, "notActions": not, "dataActions": data, "notDataActions": []any{}}}}})
	return role, err
}

// newGroup makes a security group with one member.
func (o *operator) newGroup(ctx context.Context, name string, member azure.PrincipalID) (azure.PrincipalID, error) {
	var made struct{ ID azure.PrincipalID }
	if err := o.call(ctx, http.MethodPost, "/v1.0/groups", doc{"displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true}, &made); err != nil {
		return made.ID, err
	}
	ref := doc{"@odata.id": strings.TrimSuffix(o.URL, "/") + "/v1.0/directoryObjects/" + member.String()}
	return made.ID, o.call(ctx, http.MethodPost, "/v1.0/groups/"+made.ID.String()+"/members/$ref", ref, nil)
}
