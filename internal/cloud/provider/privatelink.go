package provider

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// privateLink are private link services, private endpoints, and what endpoints write into private DNS zones.
func privateLink() []arm.Type {
	const service = "properties.privateLinkServiceId"
	connections := arm.Type{Name: typeEndpoint + "/privateLinkServiceConnections", ReadOnly: true, Links: []arm.Link{{Path: service, Action: approveLinking}}}
	manual := arm.Type{Name: typeEndpoint + "/manualPrivateLinkServiceConnections", ReadOnly: true, Links: []arm.Link{{Path: service}}}
	return []arm.Type{
		{
			Name: typeLinkService, InUse: azure.InUseLinkService, Check: checks(defaults("properties.privateEndpointConnections", "properties.fqdns"), required("properties.ipConfigurations"), checkLinkService),
			Deleted: dropInterfaces, Keep: []string{"properties.privateEndpointConnections"},
			Links: []arm.Link{{Path: "properties.loadBalancerFrontendIpConfigurations[].id", Action: joinFrontend}, {Path: "properties.networkInterfaces[].id"}},
			Children: []arm.Child{
				{Path: "properties.ipConfigurations", Type: &arm.Type{Name: typeLinkService + "/ipConfigurations", ReadOnly: true, Links: []arm.Link{{Path: "properties.subnet.id", Action: joinSubnet}}}},
				{Path: "properties.privateEndpointConnections", Type: &arm.Type{Name: typeLinkService + "/privateEndpointConnections", Check: checkConnection}},
			},
		},
		{
			Name: typeEndpoint, Check: checks(defaults("properties.privateLinkServiceConnections", "properties.manualPrivateLinkServiceConnections", "properties.customDnsConfigs", "properties.ipConfigurations"), checkEndpoint),
			Written: askServices, Deleted: endpointDeleted, View: viewEndpoint,
			Links:    []arm.Link{{Path: "properties.subnet.id", Action: joinSubnet}, {Path: "properties.applicationSecurityGroups[].id", Action: joinASG}, {Path: "properties.networkInterfaces[].id"}},
			Children: []arm.Child{{Path: "properties.privateLinkServiceConnections", Type: &connections}, {Path: "properties.manualPrivateLinkServiceConnections", Type: &manual}},
		},
		{
			Name: typeZoneGroup, Check: fillZoneGroup, Written: writeEndpointRecords, Deleted: dropEndpointRecords,
			Links: []arm.Link{{Path: "properties.privateDnsZoneConfigs[].properties.privateDnsZoneId", Action: joinZone}},
		},
	}
}

func checkLinkService(c *arm.Call) *azure.Error {
	fronts := objects(c.Doc, "properties.loadBalancerFrontendIpConfigurations")
	if len(fronts) == 0 && arm.Str(c.Doc, "properties.destinationIPAddress") == "" {
		return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.loadBalancerFrontendIpConfigurations", "id": c.ID.String()})
	}
	configs := objects(c.Doc, "properties.ipConfigurations")
	setPrimary(configs)
	for _, e := range configs {
		subnet, err := azure.ParseID(arm.Str(e, "properties.subnet.id"))
		if err != nil {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.subnet.id", "id": c.ID.Join("ipConfigurations", arm.Str(e, "name")).String()})
		}
		doc, err := c.Load(subnet)
		if err != nil {
			return arm.Fault(err)
		}
		if arm.Str(doc, "properties.privateLinkServiceNetworkPolicies") != "Disabled" {
			return azure.LinkServicePolicies.Format(azure.Fields{"id": c.ID.String(), "subnet": subnet.String()})
		}
	}
	arm.Default(c.Doc, "properties.enableProxyProtocol", false)
	arm.Default(c.Doc, "properties.visibility", arm.Doc{"subscriptions": []any{}})
	arm.Default(c.Doc, "properties.autoApproval", arm.Doc{"subscriptions": []any{}})
	keepOld(c, "properties.alias", fmt.Sprintf("%s.%s.%s.azure.privatelinkservice", c.ID.Name(), azure.NewGUID(), arm.Str(c.Doc, "location")))
	return assign(c, "properties.ipConfigurations")
}

// checkConnection decides over an endpoint's connection, which nobody but the endpoint can make.
func checkConnection(c *arm.Call) *azure.Error {
	if c.Old == nil {
		return azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	const state = "properties.privateLinkServiceConnectionState.status"
	if err := oneOf(c, c.Doc, state, "Pending", "Approved", "Rejected"); err != nil {
		return err
	}
	if old := arm.Str(c.Old, state); old == "Rejected" && arm.Str(c.Doc, state) != old {
		return azure.NotApprovable.Format(azure.Fields{"id": c.ID.String(), "old": old, "state": arm.Str(c.Doc, state)})
	}
	arm.Set(c.Doc, "properties.privateEndpoint", arm.Get(c.Old, "properties.privateEndpoint"))
	return nil
}

// connections are an endpoint's connections of both kinds.
func connections(d arm.Doc) []arm.Doc {
	return append(objects(d, "properties.privateLinkServiceConnections"), objects(d, "properties.manualPrivateLinkServiceConnections")...)
}

// checkEndpoint gives an endpoint its interface, and each connection its state: approved where the right to approve was checked.
var filledOfEndpoint = []filled{{path: "properties.customNetworkInterfaceName", value: "", since: "2021-05-01"}, {path: "properties.ipVersionType", value: "IPv4", since: "2025-01-01"}}

func checkEndpoint(c *arm.Call) *azure.Error {
	fill(c.Doc, c.Version, filledOfEndpoint)
	subnet, err := azure.ParseID(arm.Str(c.Doc, "properties.subnet.id"))
	if err != nil {
		return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.subnet.id", "id": c.ID.String()})
	}
	if old := arm.Str(c.Old, "properties.subnet.id"); old != "" && !strings.EqualFold(old, subnet.String()) {
		return azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": "properties.subnet"})
	}
	if len(connections(c.Doc)) == 0 {
		return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.privateLinkServiceConnections", "id": c.ID.String()})
	}
	for _, e := range connections(c.Doc) {
		arm.Default(e, "properties.groupIds", []any{})
		arm.Set(e, "properties.privateLinkServiceConnectionState", arm.Doc{"status": "Approved", "description": "Auto-approved", "actionsRequired": "None"})
	}
	for _, e := range objects(c.Doc, "properties.manualPrivateLinkServiceConnections") {
		arm.Set(e, "properties.privateLinkServiceConnectionState", arm.Doc{"status": "Pending", "description": "Awaiting approval", "actionsRequired": "None"})
	}
	return makeInterface(c, subnet)
}

// makeInterface makes the interface that an endpoint stands in its subnet with, and the names that lead to it.
func makeInterface(c *arm.Call, subnet azure.ID) *azure.Error {
	if old := arm.Get(c.Old, "properties.networkInterfaces"); old != nil {
		arm.Set(c.Doc, "properties.networkInterfaces", old)
		arm.Set(c.Doc, "properties.customDnsConfigs", arm.Get(c.Old, "properties.customDnsConfigs"))
		return nil
	}
	name := cmp.Or(arm.Str(c.Doc, "properties.customNetworkInterfaceName"), c.ID.Name()+".nic."+azure.NewGUID().String())
	if !networkName.MatchString(name) {
		return azure.InvalidName.Format(azure.Fields{"name": name})
	}
	names := []string{""}
	for _, e := range connections(c.Doc) {
		if target, err := azure.ParseID(arm.Str(e, "properties.privateLinkServiceId")); err == nil {
			names = serviceNames(c, target, text(arm.List(e, "properties.groupIds")))
		}
	}
	var configs []any
	fixed := objects(c.Doc, "properties.ipConfigurations")
	for i := range names {
		e := arm.Doc{"name": fmt.Sprintf("privateEndpointIpConfig.%s", azure.NewGUID()), "properties": arm.Doc{"subnet": arm.Doc{"id": subnet.String()}, "primary": i == 0}}
		if i < len(fixed) {
			arm.Set(e, "properties.privateIPAddress", arm.Str(fixed[i], "properties.privateIPAddress"))
			arm.Set(e, "properties.privateIPAllocationMethod", "Static")
		}
		configs = append(configs, e)
	}
	nic, err := c.PutPart(c.ID.GroupID().Resource(typeNIC, name), arm.Doc{"location": arm.Str(c.Doc, "location"), "properties": arm.Doc{"ipConfigurations": configs}})
	if err != nil {
		return err
	}
	arm.Set(c.Doc, "properties.networkInterfaces", []any{arm.Doc{"id": arm.Str(nic, "id")}})
	var dns []any
	for i, e := range objects(nic, "properties.ipConfigurations") {
		if names[i] != "" {
			dns = append(dns, arm.Doc{"fqdn": names[i], "ipAddresses": []any{arm.Str(e, "properties.privateIPAddress")}})
		}
	}
	if dns != nil {
		arm.Set(c.Doc, "properties.customDnsConfigs", dns)
	}
	return nil
}

// serviceHosts are the public names of the services that endpoints lead to, by target type and group; {name} and {location} stand
// for the target's (Microsoft Learn: private endpoint DNS zone values).
var serviceHosts = map[string][]string{
	"microsoft.keyvault/vaults vault":                            {"{name}.vault.azure.net"},
	"microsoft.containerregistry/registries registry":            {"{name}.{location}.data.azurecr.io", "{name}.azurecr.io"},
	"microsoft.storage/storageaccounts blob":                     {"{name}.blob.core.windows.net"},
	"microsoft.storage/storageaccounts queue":                    {"{name}.queue.core.windows.net"},
	"microsoft.storage/storageaccounts file":                     {"{name}.file.core.windows.net"},
	"microsoft.storage/storageaccounts table":                    {"{name}.table.core.windows.net"},
	"microsoft.containerservice/managedclusters management":      {"{name}.privatelink.{location}.azmk8s.io"},
	"microsoft.compute/diskaccesses disks":                       {"{name}.blob.core.windows.net"},
	"microsoft.operationalinsights/workspaces azuremonitor":      {"{name}.ods.opinsights.azure.com"},
	"microsoft.servicebus/namespaces namespace":                  {"{name}.servicebus.windows.net"},
	"microsoft.dbforpostgresql/flexibleservers postgresqlserver": {"{name}.postgres.database.azure.com"},
}

// serviceNames are the names that a target is reached by; one without a name for a target of the user's own.
func serviceNames(c *arm.Call, target azure.ID, groups []string) []string {
	doc, _ := c.Load(target)
	fill := strings.NewReplacer("{name}", lower(target.Name()), "{location}", cmp.Or(arm.Str(doc, "location"), arm.Str(c.Doc, "location")))
	var names []string
	for _, g := range groups {
		for _, host := range serviceHosts[lower(target.Type()+" "+g)] {
			names = append(names, fill.Replace(host))
		}
	}
	if names == nil {
		return []string{""}
	}
	return names
}

// askServices puts the endpoint's connections into the private link services that they lead to.
func askServices(c *arm.Call) *azure.Error {
	for _, e := range connections(c.Doc) {
		target, err := azure.ParseID(arm.Str(e, "properties.privateLinkServiceId"))
		if err != nil || !strings.EqualFold(target.Type(), typeLinkService) {
			continue
		}
		service, err := c.Load(target)
		if err != nil {
			return arm.Fault(err)
		}
		if connectionOf(service, c.ID) != nil {
			continue
		}
		entry := arm.Doc{"name": c.ID.Name() + "." + azure.NewGUID().String(), "type": typeLinkService + "/privateEndpointConnections", "etag": service["etag"],
			"properties": arm.Doc{"privateEndpoint": arm.Doc{"id": arm.Str(c.Doc, "id")}, "linkIdentifier": fmt.Sprint(536870912 + len(c.ID.Key())),
				"privateLinkServiceConnectionState": arm.Get(e, "properties.privateLinkServiceConnectionState"), "provisioningState": "Succeeded"}}
		entry["id"] = target.Join("privateEndpointConnections", arm.Str(entry, "name")).String()
		arm.Set(service, "properties.privateEndpointConnections", append(arm.List(service, "properties.privateEndpointConnections"), entry))
		if err := c.Seed(target, service); err != nil {
			return arm.Fault(err)
		}
	}
	return nil
}

// connectionOf is a service's connection with an endpoint.
func connectionOf(service arm.Doc, endpoint azure.ID) arm.Doc {
	for _, e := range objects(service, "properties.privateEndpointConnections") {
		if strings.EqualFold(arm.Str(e, "properties.privateEndpoint.id"), endpoint.String()) {
			return e
		}
	}
	return nil
}

// viewEndpoint shows what the other side has decided on the endpoint's connections.
func viewEndpoint(c *arm.Call, d arm.Doc) {
	hide(d, c.Version, filledOfEndpoint)
	for _, e := range connections(d) {
		target, err := azure.ParseID(arm.Str(e, "properties.privateLinkServiceId"))
		if err != nil || !strings.EqualFold(target.Type(), typeLinkService) {
			continue
		}
		service, _ := c.Load(target)
		state := arm.Get(connectionOf(service, azure.MustID(arm.Str(d, "id"))), "properties.privateLinkServiceConnectionState")
		if state == nil {
			state = arm.Doc{"status": "Disconnected", "description": "The connection was removed by the service's owner", "actionsRequired": "None"}
		}
		arm.Set(e, "properties.privateLinkServiceConnectionState", state)
	}
}

func endpointDeleted(c *arm.Call) *azure.Error {
	for _, e := range connections(c.Old) {
		target, err := azure.ParseID(arm.Str(e, "properties.privateLinkServiceId"))
		if err != nil || !strings.EqualFold(target.Type(), typeLinkService) {
			continue
		}
		service, err := c.Load(target)
		if err != nil {
			return arm.Fault(err)
		}
		var kept []any
		for _, e := range objects(service, "properties.privateEndpointConnections") {
			if !strings.EqualFold(arm.Str(e, "properties.privateEndpoint.id"), c.ID.String()) {
				kept = append(kept, e)
			}
		}
		if service == nil {
			continue
		}
		arm.Set(service, "properties.privateEndpointConnections", kept)
		if err := c.Seed(target, service); err != nil {
			return arm.Fault(err)
		}
	}
	return dropInterfaces(c)
}

// dropInterfaces removes the interfaces that a resource was given.
func dropInterfaces(c *arm.Call) *azure.Error {
	for _, e := range objects(c.Old, "properties.networkInterfaces") {
		if id, err := azure.ParseID(arm.Str(e, "id")); err == nil {
			if err := c.DropPart(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillZoneGroup works out the records that an endpoint gets in each zone: those names that lead to the zone's service.
func fillZoneGroup(c *arm.Call) *azure.Error {
	endpoint, err := c.Load(c.ID.Parent())
	if err != nil {
		return arm.Fault(err)
	}
	arm.Default(c.Doc, "properties", arm.Doc{})
	arm.Set(c.Doc, "properties.provisioningState", "Succeeded")
	for _, e := range objects(c.Doc, "properties.privateDnsZoneConfigs") {
		zone, err := azure.ParseID(arm.Str(e, "properties.privateDnsZoneId"))
		if err != nil {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.privateDnsZoneId", "id": c.ID.String()})
		}
		sets := []any{}
		for _, d := range objects(endpoint, "properties.customDnsConfigs") {
			if name, ok := nameInZone(arm.Str(d, "fqdn"), zone.Name()); ok {
				sets = append(sets, arm.Doc{"recordType": "A", "recordSetName": name, "fqdn": name + "." + zone.Name(), "ttl": json.Number("10"),
					"provisioningState": "Succeeded", "ipAddresses": d["ipAddresses"]})
			}
		}
		arm.Set(e, "properties.recordSets", sets)
	}
	return nil
}

// nameInZone is the name of a service's host in the zone that stands for the service: x.vault.azure.net is x in
// privatelink.vaultcore.azure.net.
func nameInZone(host, zone string) (string, bool) {
	zone = strings.TrimPrefix(lower(zone), "privatelink.")
	zone = strings.Replace(zone, "vaultcore.azure.net", "vault.azure.net", 1)
	host = strings.Replace(lower(host), ".privatelink.", ".", 1)
	name, ok := strings.CutSuffix(host, "."+zone)
	return name, ok && name != ""
}

// writeEndpointRecords writes an endpoint's records into its zones, and takes out those that are no more.
func writeEndpointRecords(c *arm.Call) *azure.Error {
	if err := dropEndpointRecords(c); err != nil {
		return err
	}
	return eachEndpointRecord(c.Doc, func(id azure.ID, set arm.Doc) *azure.Error {
		var records []any
		for _, ip := range text(arm.List(set, "ipAddresses")) {
			if _, err := netip.ParseAddr(ip); err == nil {
				records = append(records, arm.Doc{"ipv4Address": ip})
			}
		}
		return putRecords(c, id, arm.Doc{"ttl": set["ttl"], "aRecords": records, "metadata": arm.Doc{"creator": "created by private endpoint " + c.ID.Parent().Name() + " with resource guid " + azure.NewGUID().String()}})
	})
}

func dropEndpointRecords(c *arm.Call) *azure.Error {
	return eachEndpointRecord(c.Old, func(id azure.ID, _ arm.Doc) *azure.Error { return c.DropPart(id) })
}

func eachEndpointRecord(group arm.Doc, fn func(azure.ID, arm.Doc) *azure.Error) *azure.Error {
	for _, e := range objects(group, "properties.privateDnsZoneConfigs") {
		for _, set := range objects(e, "properties.recordSets") {
			zone, err := azure.ParseID(arm.Str(e, "properties.privateDnsZoneId"))
			if err != nil {
				continue
			}
			if err := fn(zone.Join("A", arm.Str(set, "recordSetName")), set); err != nil {
				return err
			}
		}
	}
	return nil
}
