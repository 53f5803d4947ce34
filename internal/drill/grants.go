package drill

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// wish is what an identity of a configuration should be able to do somewhere, as the documents of AKS and of the cloud
// provider have it: stated without the catalogue, which is what is tried.
type wish struct {
	scope         azure.ID
	kubelet       bool // the kubelet's; else the control plane's
	role          string
	actions, data []string // of a custom role that is enough
	lacks         []string // actions that were taken out of these
}

// Rights that the documents name (aks-service-permissions, azure-permissions of the cloud provider), and those that
// writing a reference takes.
var (
	nodeGroupRights = []string{
		"Microsoft.Network/loadBalancers/read", "Microsoft.Network/loadBalancers/write", "Microsoft.Network/loadBalancers/delete",
		"Microsoft.Network/loadBalancers/backendAddressPools/join/action", "Microsoft.Network/loadBalancers/backendAddressPools/read",
		"Microsoft.Network/loadBalancers/backendAddressPools/write", "Microsoft.Network/loadBalancers/inboundNatRules/join/action",
		"Microsoft.Network/publicIPAddresses/read", "Microsoft.Network/publicIPAddresses/write", "Microsoft.Network/publicIPAddresses/delete", "Microsoft.Network/publicIPAddresses/join/action",
		"Microsoft.Network/networkSecurityGroups/read", "Microsoft.Network/networkSecurityGroups/write", "Microsoft.Network/networkSecurityGroups/join/action",
		"Microsoft.Network/routeTables/read", "Microsoft.Network/routeTables/write", "Microsoft.Network/routeTables/routes/read", "Microsoft.Network/routeTables/routes/write", "Microsoft.Network/routeTables/routes/delete",
		"Microsoft.Network/networkInterfaces/read", "Microsoft.Network/networkInterfaces/write",
		"Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action",
		"Microsoft.Compute/disks/read", "Microsoft.Compute/disks/write", "Microsoft.Compute/disks/delete",
		"Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/write",
		"Microsoft.Compute/virtualMachineScaleSets/read", "Microsoft.Compute/virtualMachineScaleSets/write", "Microsoft.Compute/virtualMachineScaleSets/delete",
		"Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read", "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/write",
		"Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces/read",
	}
	subnetRights     = []string{"Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action"}
	tableRights      = []string{"Microsoft.Network/routeTables/read", "Microsoft.Network/routeTables/write", "Microsoft.Network/routeTables/routes/read", "Microsoft.Network/routeTables/routes/write", "Microsoft.Network/routeTables/routes/delete"}
	addressRights    = []string{"Microsoft.Network/publicIPAddresses/read", "Microsoft.Network/publicIPAddresses/write", "Microsoft.Network/publicIPAddresses/join/action"}
	prefixRights     = []string{"Microsoft.Network/publicIPPrefixes/join/action", "Microsoft.Network/publicIPPrefixes/read"}
	diskRights       = []string{"Microsoft.Compute/disks/read", "Microsoft.Compute/disks/write"}
	encryptionRights = []string{"Microsoft.Compute/diskEncryptionSets/read"}
	pullRights       = []string{"Microsoft.ContainerRegistry/registries/pull/read"}
	repositoryRights = []string{"Microsoft.ContainerRegistry/registries/repositories/content/read", "Microsoft.ContainerRegistry/registries/repositories/metadata/read"}
)

// wishes are what the configuration's cluster should have, beside AKS's own grant.
func (c *configuration) wishes() []wish {
	var all []wish
	for _, id := range append(slices.Clone(c.subnets), c.pods, c.frontend) {
		if !id.IsZero() {
			all = append(all, wish{scope: id, role: "Network Contributor", actions: subnetRights})
		}
	}
	if !c.table.IsZero() {
		all = append(all, wish{scope: c.table, role: "Network Contributor", actions: tableRights})
	}
	switch c.outbound.Type() {
	case publicIPs:
		all = append(all, wish{scope: c.outbound, role: "Network Contributor", actions: addressRights})
	case publicPrefixes:
		all = append(all, wish{scope: c.outbound, role: "Network Contributor", actions: prefixRights})
	}
	if !c.encryption.IsZero() {
		all = append(all, wish{scope: c.encryption, role: "Reader", actions: encryptionRights})
	}
	if !c.address.IsZero() {
		all = append(all, wish{scope: c.address.GroupID(), role: "Network Contributor", actions: addressRights})
	}
	if !c.disk.IsZero() {
		all = append(all, wish{scope: c.disk, role: "Contributor", actions: diskRights})
	}
	if !c.registry.IsZero() {
		w := wish{scope: c.registry, kubelet: true, role: "AcrPull", actions: pullRights}
		if c.abac {
			w.role, w.actions, w.data = "Container Registry Repository Reader", nil, repositoryRights
		}
		all = append(all, w)
	}
	return all
}

// people are the principals of a configuration.
type people struct {
	control, kubelet azure.PrincipalID
	wrong            azure.PrincipalID // which nobody has: a client id
}

func (c *configuration) people() (people, error) {
	if c.old {
		return people{c.control, c.control, azure.NewGUID()}, nil
	}
	kubelet := at(c.made, "properties", "identityProfile", "kubeletidentity")
	object, err := azure.ParseGUID(text(kubelet, "objectId"))
	if err != nil {
		return people{}, err
	}
	client, err := azure.ParseGUID(text(kubelet, "clientId"))
	return people{c.control, object, client}, err
}

// grantAll grants at random. In some configurations everything is right but for one action: these show each action by
// itself. In the others it is right in several ways, wrong in several, or almost right.
func (c *configuration) grantAll(ctx context.Context) error {
	who, err := c.people()
	if err != nil {
		return err
	}
	if c.chance(40) || c.lacking != "" {
		return c.grantAllButOne(ctx, who)
	}
	if err := c.grantNodeGroup(ctx, who); err != nil {
		return err
	}
	for _, w := range c.wishes() {
		if err := c.grant(ctx, w, who); err != nil {
			return err
		}
	}
	if err := c.deny(ctx, who); err != nil {
		return err
	}
	return c.lock(ctx)
}

// grantAllButOne gives a custom role for every wish, and for the node resource group; one action of one of them is missing.
func (c *configuration) grantAllButOne(ctx context.Context, who people) error {
	all := c.wishes()
	if !c.lockdown {
		if err := c.dropOwnGrant(ctx, who); err != nil {
			return err
		}
		all = append(all, wish{scope: c.nodeGroup(), actions: nodeGroupRights})
	}
	missing := c.chooseMissing(all)
	for _, w := range all {
		own := len(w.actions) + len(w.data)
		if 0 <= missing && missing < own {
			w = c.without(w, missing)
		}
		missing -= own
		to := who.control
		if w.kubelet {
			to = who.kubelet
		}
		if err := c.giveCustom(ctx, w, to); err != nil {
			return err
		}
	}
	return nil
}

// chooseMissing chooses one of all actions by its place: any, or the one that the configuration is to lack.
func (c *configuration) chooseMissing(all []wish) int {
	var places []int
	n := 0
	for _, w := range all {
		for _, action := range slices.Concat(w.actions, w.data) {
			if c.lacking == "" || c.lacking.Is(azure.Action(action)) {
				places = append(places, n)
			}
			n++
		}
	}
	if len(places) == 0 {
		return -1
	}
	return pick(c, places...)
}

// without is a wish that lacks its nth action.
func (c *configuration) without(w wish, n int) wish {
	list := &w.actions
	if n >= len(w.actions) {
		list, n = &w.data, n-len(w.actions)
	}
	c.say("a custom role on %s without %s", w.scope, (*list)[n])
	w.lacks = append(slices.Clone(w.lacks), (*list)[n])
	*list = slices.Delete(slices.Clone(*list), n, n+1)
	return w
}

func (c *configuration) nodeGroup() azure.ID {
	return azure.SubscriptionID(c.group.Subscription()).Join("resourceGroups", text(c.made, "properties", "nodeResourceGroup"))
}

// grantNodeGroup leaves AKS's own grant alone, or takes it away, or puts a custom role in its place.
func (c *configuration) grantNodeGroup(ctx context.Context, who people) error {
	n := c.IntN(100)
	if n < 50 || c.lockdown { // where nobody can change AKS's grant
		return nil
	}
	if err := c.dropOwnGrant(ctx, who); err != nil {
		return err
	}
	if n < 60 {
		c.say("AKS's own grant was taken away")
		return nil
	}
	return c.grantCustom(ctx, wish{scope: c.nodeGroup(), actions: nodeGroupRights}, who.control)
}

// dropOwnGrant takes away what AKS itself granted.
func (c *configuration) dropOwnGrant(ctx context.Context, who people) error {
	scope := c.nodeGroup()
	all, err := c.list(ctx, scope.Resource("Microsoft.Authorization/roleAssignments"))
	if err != nil {
		return err
	}
	for _, a := range all {
		id := idOf(text(a, "id"))
		if text(a, "properties", "principalId") == who.control.String() && scope.Contains(id) {
			if err := c.remove(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// grant grants a wish at random.
func (c *configuration) grant(ctx context.Context, w wish, who people) error {
	to, other := who.control, who.kubelet
	if w.kubelet {
		to, other = other, to
	}
	where := pick(c, w.scope, w.scope, w.scope, w.scope.GroupID(), w.scope.GroupID(), azure.SubscriptionID(w.scope.Subscription()), topGroup)
	at := fmt.Sprintf("on %s for %s", where, map[bool]string{true: "the kubelet", false: "the control plane"}[w.kubelet])
	switch n := c.IntN(100); {
	case n < 15:
		c.say("nothing on %s", w.scope)
		return nil
	case n < 45:
		c.say("%s %s", w.role, at)
		return c.give(ctx, roleOf(w.role), to, where, nil)
	case n < 70:
		return c.grantCustom(ctx, w, to)
	case n < 78:
		c.say("%s %s through a group", w.role, at)
		return c.giveGroup(ctx, roleOf(w.role), to, where)
	case n < 80 && c.abac && w.kubelet:
		c.say("%s %s, for some repositories", w.role, at)
		return c.give(ctx, roleOf(w.role), to, where, doc{"conditionVersion": "2.0", "condition": aboutRepositories})
	case n < 82:
		return c.giveForAWhile(ctx, w, to, where, at)
	case n < 85:
		c.say("%s %s, but to the wrong principal", w.role, at)
		return c.give(ctx, roleOf(w.role), pick(c, who.wrong, other), where, nil)
	case n < 94:
		role := pick(c, "Reader", "AcrPush", "Virtual Machine Contributor", "Managed Identity Operator", "Private DNS Zone Contributor", "Container Registry Repository Reader")
		c.say("%s instead of %s %s", role, w.role, at)
		return c.give(ctx, roleOf(role), to, where, nil)
	default:
		c.say("%s %s, under a condition about role assignments", w.role, at)
		return c.give(ctx, roleOf(w.role), to, where, doc{"conditionVersion": "2.0", "condition": aboutAssignments})
	}
}

// aboutAssignments is a condition that names other actions than clusters need.
const aboutAssignments = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'ServicePrincipal'))"

// aboutRepositories is a condition that what is tried does not meet.
const aboutRepositories = "((!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'})) OR (@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringEquals 'other'))"

// topGroup is a management group above both subscriptions.
var topGroup = azure.Root.Resource(azure.TypeManagementGroup, "drill")

func (o *operator) makeTopGroup(ctx context.Context) error {
	if _, err := o.put(ctx, topGroup, doc{"properties": doc{"displayName": "drill"}}); err != nil {
		return err
	}
	for _, sub := range o.Subscriptions {
		if err := o.call(ctx, http.MethodPut, local.PathOf(topGroup.Join("subscriptions", sub.ID)), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *configuration) give(ctx context.Context, role azure.GUID, to azure.PrincipalID, scope azure.ID, more doc) error {
	_, err := c.assign(ctx, role, to, scope, more)
	if isStatus(err, 409) { // given already, by another wish
		return nil
	}
	return err
}

// giveGroup gives a role to a group that somebody is in, or to one that this group is in.
func (c *configuration) giveGroup(ctx context.Context, role azure.GUID, to azure.PrincipalID, scope azure.ID) error {
	for range 1 + c.IntN(2) {
		group, err := c.newGroup(ctx, fmt.Sprintf("g%05d-%d", c.number, c.IntN(1e6)), to)
		if err != nil {
			return err
		}
		to = group
	}
	return c.give(ctx, role, to, scope, doc{"principalType": "Group"})
}

// grantCustom gives a custom role from which up to three actions are missing.
func (c *configuration) grantCustom(ctx context.Context, w wish, to azure.PrincipalID) error {
	for range c.IntN(4) {
		if n := len(w.actions) + len(w.data); n > 0 {
			w = c.without(w, c.IntN(n))
		}
	}
	return c.giveCustom(ctx, w, to)
}

func (c *configuration) giveCustom(ctx context.Context, w wish, to azure.PrincipalID) error {
	if len(w.actions)+len(w.data) == 0 {
		return nil
	}
	c.say("a custom role on %s", w.scope)
	actions, not := w.actions, []string{}
	if len(w.data) == 0 && c.chance(25) {
		c.say("its actions are written with stars, and exceptions")
		actions, not = starred(w.actions), append(not, w.lacks...)
	}
	role, err := c.defineRole(ctx, w.scope, "drill", actions, not, w.data)
	if err != nil {
		return err
	}
	return c.give(ctx, role, to, w.scope, nil)
}

// starred are all actions of the providers of some.
func starred(actions []string) []string {
	all := map[string]bool{}
	for _, a := range actions {
		provider, _, _ := strings.Cut(a, "/")
		all[provider+"/*"] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// laterBy is how much later it is when clusters act than when roles were given for a while.
const laterBy = 10 * time.Minute

// giveForAWhile gives a role for a time that has ended, or has not, when the cluster acts: by Privileged Identity Management.
func (c *configuration) giveForAWhile(ctx context.Context, w wish, to azure.PrincipalID, where azure.ID, at string) error {
	duration := pick(c, "PT5M", "PT8H")
	c.say("%s %s, for %s of which %s are over", w.role, at, duration, laterBy)
	if where.Equal(topGroup) {
		where = w.scope
	}
	id := where.Resource("Microsoft.Authorization/roleAssignmentScheduleRequests", azure.NewGUID().String())
	_, err := c.put(ctx, id, doc{"properties": doc{"principalId": to.String(), "requestType": "AdminAssign", "justification": "drill",
		"roleDefinitionId": azure.SubscriptionID(where.Subscription()).Resource("Microsoft.Authorization/roleDefinitions", roleOf(w.role).String()).String(),
		"scheduleInfo":     doc{"expiration": doc{"type": "AfterDuration", "duration": duration}}}})
	if isStatus(err, 409) || hasCode(err, azure.RoleAssignmentExists.Code) {
		return nil
	}
	return err
}

// deny sometimes adds a deny assignment.
func (c *configuration) deny(ctx context.Context, who people) error {
	if !c.chance(12) {
		return nil
	}
	scope := pick(c, append(c.lockable(), c.subnets...)...)
	action := pick(c, "Microsoft.Network/*/write", "Microsoft.Network/*/join/action", "*/delete", "Microsoft.Compute/disks/*", "Microsoft.Network/publicIPAddresses/*",
		"Microsoft.ContainerRegistry/registries/*", "Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/routeTables/write")
	properties := doc{"denyAssignmentName": fmt.Sprintf("deny %05d", c.number), "permissions": []any{doc{"actions": []any{action}, "notActions": []any{}, "dataActions": []any{}, "notDataActions": []any{}}},
		"principals": []any{doc{"id": who.control.String(), "type": "ServicePrincipal"}}, "excludePrincipals": []any{}}
	if c.chance(30) {
		properties["principals"] = []any{doc{"id": strings.Repeat("0", 8) + "-0000-0000-0000-000000000000", "type": "SystemDefined"}}
		properties["excludePrincipals"] = []any{doc{"id": c.ObjectID.String(), "type": "ServicePrincipal"}}
	}
	properties["doNotApplyToChildScopes"] = c.chance(20)
	c.say("%s is denied on %s; not below: %t", action, scope, properties["doNotApplyToChildScopes"])
	_, err := c.put(ctx, scope.Resource("Microsoft.Authorization/denyAssignments", azure.NewGUID().String()), doc{"properties": properties})
	return err
}

// lockable are the resource groups that the operator can change rights in.
func (c *configuration) lockable() []azure.ID {
	if c.lockdown {
		return []azure.ID{c.shared, c.near()}
	}
	return []azure.ID{c.nodeGroup(), c.nodeGroup(), c.shared, c.near()}
}

// lock sometimes locks a resource group.
func (c *configuration) lock(ctx context.Context) error {
	if !c.chance(8) {
		return nil
	}
	scope, level := pick(c, c.lockable()...), pick(c, "CanNotDelete", "ReadOnly")
	c.say("%s is locked: %s", scope, level)
	_, err := c.put(ctx, scope.Resource("Microsoft.Authorization/locks", "drill"), doc{"properties": doc{"level": level}})
	return err
}
