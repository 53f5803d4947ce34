package cloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// receipts are the headers of an answer that says where the work goes on: Azure-AsyncOperation, Location and
// Azure-AsyncNotification, by a letter each.
func receipts(h http.Header) string {
	out := ""
	for _, k := range []string{"Azure-AsyncOperation A", "Location L", "Azure-AsyncNotification N"} {
		name, letter, _ := strings.Cut(k, " ")
		if h.Get(name) != "" {
			out += letter
		}
	}
	return out
}

// TestReceipts makes, changes and deletes resources of types whose providers say that they work on, as each says it, and
// follows what they say: it has come to its end.
func TestReceipts(t *testing.T) {
	const async, asyncLocated, notified, all = "A", "AL", "AN", "ALN"
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	zone := obj{"location": "global"}
	for _, row := range []struct {
		method, path string
		body         obj
		status       int
		headers      string
		shown        string // in the body; "-": it is empty
	}{
		{"PUT", "Microsoft.Network/routeTables/t", properties(obj{}), 201, notified, `"name":"t"`},
		{"PUT", "Microsoft.Network/routeTables/t/routes/r", obj{"properties": obj{"addressPrefix": "10.0.0.0/8", "nextHopType": "VnetLocal"}}, 201, notified, `"name":"r"`},
		{"PUT", "Microsoft.Network/routeTables/t", properties(obj{}), 200, notified, `"name":"t"`},
		{"DELETE", "Microsoft.Network/routeTables/t", nil, 202, all, "-"},
		{"PUT", "Microsoft.Network/privateDnsZones/z.test", zone, 202, asyncLocated, "{}"},
		{"DELETE", "Microsoft.Network/privateDnsZones/z.test", nil, 202, asyncLocated, "-"},
		{"PUT", "Microsoft.Network/dnsZones/z.test", zone, 201, "", `"name":"z.test"`},
		{"DELETE", "Microsoft.Network/dnsZones/z.test", nil, 202, asyncLocated, "-"},
		{"PUT", "Microsoft.Compute/disks/d", obj{"location": "westeurope", "properties": obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 4}}, 202, asyncLocated, `"name":"d"`},
		{"DELETE", "Microsoft.Compute/disks/d", nil, 202, asyncLocated, "-"},
		{"PUT", "Microsoft.Compute/availabilitySets/a", obj{"location": "westeurope"}, 200, "", `"name":"a"`},
		{"PUT", "Microsoft.ContainerRegistry/registries/receiptacr", obj{"location": "westeurope", "sku": obj{"name": "Basic"}}, 201, async, `"name":"receiptacr"`},
		{"PUT", "Microsoft.ContainerRegistry/registries/receiptacr", obj{"location": "westeurope", "sku": obj{"name": "Basic"}}, 200, "", `"name":"receiptacr"`},
		{"PATCH", "Microsoft.ContainerRegistry/registries/receiptacr", obj{"properties": obj{"adminUserEnabled": true}}, 200, "", `"adminUserEnabled":true`},
		{"PUT", "Microsoft.Storage/storageAccounts/receiptsa", obj{"location": "westeurope", "kind": "StorageV2", "sku": obj{"name": "Standard_LRS"}}, 202, "L", "-"},
		{"PUT", "Microsoft.Storage/storageAccounts/receiptsa", obj{"location": "westeurope", "kind": "StorageV2", "sku": obj{"name": "Standard_LRS"}}, 200, "", `"name":"receiptsa"`},
		{"PUT", "Microsoft.ManagedIdentity/userAssignedIdentities/i", obj{"location": "westeurope"}, 201, "L", `"tags":{}`},
		{"PUT", "Microsoft.ManagedIdentity/userAssignedIdentities/i", obj{"location": "westeurope"}, 200, "", `"name":"i"`},
	} {
		path := rg + "/providers/" + row.path
		r := op.do(row.method, path, row.body)
		if r.status != row.status || receipts(r.header) != row.headers || !strings.Contains(r.raw, strings.TrimPrefix(row.shown, "-")) || row.shown == "-" && r.raw != "" {
			t.Errorf("%s %s: %d, %q, %s", row.method, row.path, r.status, receipts(r.header), r.raw)
			continue
		}
		if state := r.header.Get("Azure-AsyncOperation"); state != "" {
			at := strings.TrimPrefix(state, "https://"+host)
			if got := op.get(at).ok(200); got.str("status") != "Succeeded" {
				t.Errorf("%s %s goes on: %s", row.method, row.path, got.raw)
			}
			w.application("else"+row.method+lastOf(row.path)).get(at).refused(404, "NotFound") // it is nobody else's
		}
		if result := r.header.Get("Location"); strings.Contains(result, "/operationresults/") {
			got := op.get(strings.TrimPrefix(result, "https://"+host))
			if row.method == "DELETE" && got.status != 204 || row.method == "PUT" && got.str("name") != lastOf(row.path) {
				t.Errorf("%s %s results in %d %s", row.method, row.path, got.status, got.raw)
			}
		}
	}
}

func lastOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// TestETagHeader reads a network's etag from its header, as clients do that send it back.
func TestETagHeader(t *testing.T) {
	w := newWorld(t)
	id := w.group(w.platform, "rg1") + "/providers/Microsoft.Network/routeTables/t"
	w.operator.put(id, properties(obj{})).ok(201)
	if got := w.operator.get(id).ok(200); got.header.Get("ETag") == "" || got.header.Get("ETag") != got.str("etag") {
		t.Errorf("ETag %q of %s", got.header.Get("ETag"), got.raw)
	}
}

// TestGatewayAsTemplatesSpellIt writes a gateway with members in another case, as az's templates have them.
func TestGatewayAsTemplatesSpellIt(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	op.put(vnet, withSubnets(network("10.0.0.0/16"), obj{"name": "g", "properties": obj{"addressPrefix": "10.0.0.0/24"}})).ok(201)
	id := rg + "/providers/Microsoft.Network/applicationGateways/g"
	part := func(name string, p obj) []obj { return []obj{{"Name": name, "properties": p}} }
	at := func(list, name string) obj { return obj{"Id": id + "/" + list + "/" + name} }
	op.put(id, obj{"location": "westeurope", "properties": obj{"sku": obj{"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
		"gatewayIPConfigurations":       part("c", obj{"subnet": obj{"id": vnet + "/subnets/g"}}),
		"frontendIPConfigurations":      part("f", obj{"subnet": obj{"id": vnet + "/subnets/g"}}),
		"frontendPorts":                 part("p", obj{"Port": 80}),
		"backendAddressPools":           part("b", obj{}),
		"backendHttpSettingsCollection": part("s", obj{"Port": 8080, "Protocol": "Http", "CookieBasedAffinity": "Enabled"}),
		"httpListeners":                 part("l", obj{"FrontendIpConfiguration": at("frontendIPConfigurations", "f"), "FrontendPort": at("frontendPorts", "p"), "Protocol": "Http", "SslCertificate": nil}),
		"requestRoutingRules":           part("r", obj{"RuleType": "Basic", "httpListener": at("httpListeners", "l"), "backendAddressPool": at("backendAddressPools", "b"), "backendHttpSettings": at("backendHttpSettingsCollection", "s")}),
	}}).ok(201)
	got := op.get(id).ok(200)
	for path, want := range map[string]string{"frontendPorts.0.properties.port": "80", "backendHttpSettingsCollection.0.properties.cookieBasedAffinity": "Enabled",
		"backendHttpSettingsCollection.0.properties.requestTimeout": "30", "frontendPorts.0.properties.httpListeners.0.id": id + "/httpListeners/l",
		"httpListeners.0.properties.requestRoutingRules.0.id": id + "/requestRoutingRules/r", "httpListeners.0.properties.requireServerNameIndication": "false"} {
		if v := fmt.Sprint(got.at("properties." + path)); v != want {
			t.Errorf("%s is %s, want %s", path, v, want)
		}
	}
	if strings.Contains(got.raw, "SslCertificate") || strings.Contains(got.raw, `"Port"`) {
		t.Errorf("the gateway is %s", got.raw)
	}
	again := op.put(id, got.body).ok(200)
	if n := len(again.at("properties.frontendPorts.0.properties.httpListeners").([]any)); n != 1 {
		t.Errorf("%d listeners of a port that was sent back", n)
	}
}

// TestRootRoles reads a role at the tenant's root, as any client does that has a role's id alone.
func TestRootRoles(t *testing.T) {
	w := newWorld(t)
	nobody := w.application("nobody")
	reader := "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
	if got := nobody.get(reader).ok(200); got.str("properties.roleName") != "Reader" || got.str("properties.createdOn") == "" {
		t.Errorf("the role is %s", got.raw)
	}
	if got := nobody.get("/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName+eq+'Reader'").ok(200).list("name"); len(got) != 1 {
		t.Errorf("the roles are %v", got)
	}
	nobody.get(w.group(w.platform, "rg1")+reader).refused(403, "AuthorizationFailed")
}

// TestDeletedIsReturned deletes what Azure answers the deleted document for.
func TestDeletedIsReturned(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	w.grant(w.application("app").id, "Reader", rg)
	all := op.get(rg + "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()").ok(200)
	for _, v := range all.at("value").([]any) {
		a := v.(obj)
		if a["properties"].(obj)["scope"] == rg {
			if got := op.delete(a["id"].(string)).ok(200); got.str("id") != a["id"] || got.str("properties.principalId") == "" {
				t.Errorf("deleted: %s", got.raw)
			}
			return
		}
	}
	t.Errorf("no assignment in %s", all.raw)
}

// TestTemplateHash deploys two templates, and one of them twice: each has a hash of its own.
func TestTemplateHash(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	hash := func(name, output string) string {
		return w.operator.put(rg+"/providers/Microsoft.Resources/deployments/"+name, obj{"properties": obj{"mode": "Incremental", "template": obj{
			"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": []obj{},
			"outputs": obj{"o": obj{"type": "string", "value": output}}}}}).ok(201).str("properties.templateHash")
	}
	if a, again, b := hash("a", "1"), hash("b", "1"), hash("c", "2"); a == "" || a != again || a == b {
		t.Errorf("the hashes are %s, %s, %s", a, again, b)
	}
}
