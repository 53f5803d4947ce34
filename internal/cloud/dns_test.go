package cloud_test

import (
	"slices"
	"strings"
	"testing"
)

func zone(p obj) obj { return obj{"location": "global", "properties": p} }

// TestPrivateZones takes a private zone through its life: records, links to networks, its end.
func TestPrivateZones(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	const z = "Microsoft.Network/privateDnsZones/"
	id := rg + "/providers/" + z + "corp.test"
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	other := rg + "/providers/Microsoft.Network/virtualNetworks/u"
	op.put(vnet, network("10.0.0.0/16")).ok(201)
	op.put(other, network("10.1.0.0/16")).ok(201)
	link := func(vnet string, registers bool) obj {
		return zone(obj{"virtualNetwork": ref(vnet), "registrationEnabled": registers})
	}
	a := func(ips ...string) obj {
		var list []obj
		for _, ip := range ips {
			list = append(list, obj{"ipv4Address": ip})
		}
		return obj{"properties": obj{"ttl": 300, "aRecords": list}}
	}
	w.try(rg,
		attempt{"PUT", z + "corp.test", obj{"location": "westeurope"}, 400, "LocationNotAvailableForResourceType", []string{"'global'"}},
		attempt{"PUT", z + "-bad-.test", zone(obj{}), 400, "BadRequest", []string{"-bad-.test"}},
		attempt{"PUT", z + "corp.test", zone(obj{}), 201, "", []string{`"location":"global"`, `"numberOfRecordSets":1`}},
		attempt{"PUT", z + "none.test/A/www", a("10.0.0.4"), 404, "ParentResourceNotFound", nil},
		attempt{"PUT", z + "corp.test/A/www", obj{"properties": obj{"aRecords": []obj{}}}, 400, "BadRequest", []string{"TTL"}},
		attempt{"PUT", z + "corp.test/A/www", a("fd00::1"), 400, "BadRequest", []string{"fd00::1"}},
		attempt{"PUT", z + "corp.test/A/w w", a("10.0.0.4"), 400, "BadRequest", []string{"relative domain name"}},
		attempt{"PUT", z + "corp.test/A/www", a("10.0.0.4", "10.0.0.5"), 201, "", []string{`"fqdn":"www.corp.test."`, `"isAutoRegistered":false`, `"Microsoft.Network/privateDnsZones/A"`}},
		attempt{"PUT", z + "corp.test/CNAME/www", obj{"properties": obj{"ttl": 60, "cnameRecord": obj{"cname": "x.test"}}}, 400, "BadRequest", []string{"CNAME"}},
		attempt{"PUT", z + "corp.test/CNAME/alias", obj{"properties": obj{"ttl": 60, "cnameRecord": obj{"cname": "x.test"}}}, 201, "", nil},
		attempt{"PUT", z + "corp.test/A/alias", a("10.0.0.4"), 400, "BadRequest", []string{"a CNAME record with the same name already exists"}},
		attempt{"PUT", z + "corp.test/TXT/@", obj{"properties": obj{"ttl": 60, "txtRecords": []obj{{"value": []string{"v=1"}}}}}, 201, "", []string{`"fqdn":"corp.test."`}},
		attempt{"PUT", z + "corp.test/SOA/www", obj{"properties": obj{"ttl": 60}}, 400, "BadRequest", []string{"'@'"}},
		attempt{"DELETE", z + "corp.test/SOA/@", nil, 400, "BadRequest", []string{"SOA"}},
		attempt{"PUT", z + "corp.test/virtualNetworkLinks/l", link(vnet+"x", false), 400, "InvalidResourceReference", nil},
		attempt{"PUT", z + "corp.test/virtualNetworkLinks/l", link(vnet, true), 201, "", []string{`"virtualNetworkLinkState":"Completed"`}},
		attempt{"PUT", z + "corp.test/virtualNetworkLinks/l", link(other, true), 400, "PropertyChangeNotAllowed", nil},
		attempt{"PUT", z + "corp.test/virtualNetworkLinks/m", link(vnet, false), 400, "BadRequest", []string{"cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with 'corp.test' and 'corp.test' zones."}},
		attempt{"PUT", z + "second.test", zone(obj{}), 201, "", nil},
		attempt{"PUT", z + "second.test/virtualNetworkLinks/l", link(vnet, true), 400, "BadRequest", []string{"auto-registration", "corp.test"}},
		attempt{"PUT", z + "second.test/virtualNetworkLinks/l", link(vnet, false), 201, "", nil},
		attempt{"DELETE", z + "corp.test", nil, 409, "CannotDeleteResource", []string{"'Microsoft.Network/privateDnsZones/corp.test/virtualNetworkLinks/l'"}},
	)
	got := op.get(id).ok(200)
	if got.at("properties.numberOfRecordSets") != 4.0 || got.at("properties.numberOfVirtualNetworkLinks") != 1.0 || got.at("properties.numberOfVirtualNetworkLinksWithRegistration") != 1.0 || got.at("properties.maxNumberOfRecordSets") != 25000.0 {
		t.Errorf("the zone is %s", got.raw)
	}
	if all := op.get(id + "/ALL").ok(200).list("name"); !slices.Equal(all, []string{"www", "alias", "@", "@"}) {
		t.Errorf("all records: %v", all)
	}
	if some := op.get(id + "/ALL?$recordsetnamesuffix=w").ok(200).list("name"); !slices.Equal(some, []string{"www"}) {
		t.Errorf("records that end in w: %v", some)
	}
	if some := op.get(id + "/A").ok(200).list("properties.aRecords"); len(some) != 1 {
		t.Errorf("addresses: %v", some)
	}
	op.delete(vnet).ok(202) // takes its links along
	op.get(id+"/virtualNetworkLinks/l").refused(404, "ResourceNotFound")
	op.delete(id).ok(202)
	op.get(id+"/A/www").refused(404, "ResourceNotFound")
}

// TestPublicZones has the records that a public zone begins with, and the rights that external-dns needs.
func TestPublicZones(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	const z = "Microsoft.Network/dnsZones/"
	id := rg + "/providers/" + z + "shop.example"
	w.try(rg,
		attempt{"PUT", z + "example", zone(obj{}), 400, "BadRequest", []string{"example"}},
		attempt{"PUT", z + "shop.example", zone(obj{}), 201, "", []string{"ns1-01.azure-dns.com.", `"numberOfRecordSets":2`}},
		attempt{"DELETE", z + "shop.example/NS/@", nil, 400, "BadRequest", []string{"NS"}},
		attempt{"PUT", z + "shop.example/CNAME/@", obj{"properties": obj{"TTL": 60}}, 400, "BadRequest", []string{"alias"}},
		attempt{"PUT", z + "shop.example/CAA/@", obj{"properties": obj{"TTL": 60, "caaRecords": []obj{{"flags": 0, "tag": "issue", "value": "ca.example"}}}}, 201, "", nil},
	)
	dns := w.application("external-dns")
	www := id + "/A/www?api-version=2018-05-01"
	body := obj{"properties": obj{"TTL": 300, "ARecords": []obj{{"ipv4Address": "198.51.100.7"}}}}
	dns.put(www, body).refused(403, "AuthorizationFailed", "'Microsoft.Network/dnsZones/A/write'")
	w.allow(dns.id, id, "Microsoft.Network/dnsZones/A/write", "Microsoft.Network/dnsZones/recordsets/read")
	if got := dns.put(www, body).ok(201); got.str("properties.fqdn") != "www.shop.example." || got.at("properties.isAutoRegistered") != nil {
		t.Errorf("the record is %s", got.raw)
	} else if got.str("type") != "Microsoft.Network/dnszones/A" { // in small letters, which external-dns relies on
		t.Errorf("its type is %s", got.str("type"))
	}
	if got := dns.get(id + "/recordsets?api-version=2018-05-01").ok(200).list("name"); !slices.Equal(got, []string{"www", "@", "@", "@"}) {
		t.Errorf("record sets: %v", got)
	}
	dns.delete(www).refused(403, "AuthorizationFailed", "'Microsoft.Network/dnsZones/A/delete'")
	op.delete(id).ok(202)
	if got := op.get(w.platform + "/providers/Microsoft.Network/dnsZones").ok(200).list("id"); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

// TestPrivateEndpoints gives an endpoint its interface and its names, writes them into zones and takes all of it away.
func TestPrivateEndpoints(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op := w.operator
	endpoint := s.own + "/providers/Microsoft.Network/privateEndpoints/acr"
	op.put(endpoint, properties(obj{"subnet": ref(s.subnet)})).refused(400, "InvalidRequestFormat", "privateLinkServiceConnections")
	made := op.put(endpoint, properties(obj{"subnet": ref(s.subnet), "privateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": s.registry, "groupIds": []string{"registry"}}}}})).ok(201)
	if made.str("properties.privateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status") != "Approved" {
		t.Errorf("the connection is %s", made.raw)
	}
	nic := made.str("properties.networkInterfaces.0.id")
	face := op.get(nic).ok(200)
	if !strings.Contains(nic, "/acr.nic.") || face.str("properties.privateEndpoint.id") != endpoint || len(names(face.at("properties.ipConfigurations"))) != 2 {
		t.Errorf("the interface is %s", face.raw)
	}
	if got := made.str("properties.customDnsConfigs.0.fqdn") + " " + made.str("properties.customDnsConfigs.1.fqdn"); got != "siteacr.westeurope.data.azurecr.io siteacr.azurecr.io" {
		t.Errorf("names: %s", got)
	}
	op.delete(nic).refused(400, "NicInUseWithPrivateEndpoint")
	if got := names(op.get(s.subnet).ok(200).at("properties.privateEndpoints")); !slices.Equal(got, []string{endpoint}) {
		t.Errorf("the subnet has endpoints %v", got)
	}
	group := op.put(endpoint+"/privateDnsZoneGroups/default", obj{"properties": obj{"privateDnsZoneConfigs": []obj{{"name": "acr", "properties": obj{"privateDnsZoneId": s.zone}}}}}).ok(201)
	ip := made.str("properties.customDnsConfigs.1.ipAddresses.0")
	record := op.get(s.zone + "/A/siteacr").ok(200)
	if record.str("properties.aRecords.0.ipv4Address") != ip || group.at("properties.privateDnsZoneConfigs.0.properties.recordSets.1.fqdn") != "siteacr.privatelink.azurecr.io" {
		t.Errorf("the record is %s of %s", record.raw, group.raw)
	}
	op.get(s.zone + "/A/siteacr.westeurope.data").ok(200)
	op.put(endpoint+"/privateDnsZoneGroups/default", obj{"properties": obj{"privateDnsZoneConfigs": []obj{}}}).ok(200)
	op.get(s.zone+"/A/siteacr").refused(404, "ResourceNotFound")
	op.put(endpoint+"/privateDnsZoneGroups/default", obj{"properties": obj{"privateDnsZoneConfigs": []obj{{"name": "acr", "properties": obj{"privateDnsZoneId": s.zone}}}}}).ok(200)
	op.delete(endpoint).ok(200)
	op.get(s.zone+"/A/siteacr").refused(404, "ResourceNotFound")
	op.get(nic).refused(404, "ResourceNotFound")
}

// TestPrivateLinkServices lets a service's owner decide over the endpoints that connect to it.
func TestPrivateLinkServices(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op := w.operator
	op.put(s.hub+"/providers/Microsoft.Network/privateLinkServices/bad", properties(obj{"loadBalancerFrontendIpConfigurations": []obj{ref(s.frontend)}, "ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(s.subnet)}}}})).
		refused(400, "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled", "since it has private link service network policies enabled.")
	if alias := op.get(s.service).ok(200).str("properties.alias"); !strings.HasPrefix(alias, "pls.") || !strings.HasSuffix(alias, ".westeurope.azure.privatelinkservice") {
		t.Errorf("the alias is %q", alias)
	}
	endpoint := s.own + "/providers/Microsoft.Network/privateEndpoints/e"
	const state = "properties.manualPrivateLinkServiceConnections.0.properties.privateLinkServiceConnectionState.status"
	body := properties(obj{"subnet": ref(s.subnet), "manualPrivateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": s.service, "requestMessage": "please"}}}})
	if got := op.put(endpoint, body).ok(201).str(state); got != "Pending" {
		t.Errorf("the connection is %s", got)
	}
	connections := op.get(s.service + "/privateEndpointConnections").ok(200)
	connection := connections.str("value.0.id")
	if connections.str("value.0.properties.privateEndpoint.id") != endpoint {
		t.Fatalf("the service has %s", connections.raw)
	}
	decide := func(status string) obj {
		return obj{"properties": obj{"privateLinkServiceConnectionState": obj{"status": status, "description": "ok"}}}
	}
	op.put(s.service+"/privateEndpointConnections/mine", decide("Approved")).refused(404, "NotFound")
	op.put(connection, decide("Maybe")).refused(400, "InvalidRequestFormat", "Maybe")
	op.put(connection, decide("Approved")).ok(200)
	if got := op.get(endpoint).ok(200).str(state); got != "Approved" {
		t.Errorf("the connection is %s", got)
	}
	op.delete(s.service).refused(400, "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted", "since it has 1 private endpoint connection.")
	op.put(connection, decide("Rejected")).ok(200)
	op.put(connection, decide("Approved")).refused(400, "PrivateEndpointConnectionCannotBeChanged")
	op.delete(connection).ok(200)
	if got := op.get(endpoint).ok(200).str(state); got != "Disconnected" {
		t.Errorf("the connection is %s", got)
	}
	op.put(endpoint, body).ok(200)
	op.delete(endpoint).ok(200)
	if got := op.get(s.service + "/privateEndpointConnections").ok(200).list("id"); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
	op.delete(s.service).ok(200)
	op.delete(s.lb).ok(200)
}
