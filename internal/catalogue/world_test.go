package catalogue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/cloud"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// world is a local Azure with a cluster that brings along whatever the local Azure has.
type world struct {
	t        testing.TB
	ctx      context.Context
	az       *local.Azure
	operator string // token
	cluster  *estate.Cluster
	count    int

	creator azure.ID // an identity that stands for who updates the cluster

	platform, hub, subnet, apiSubnet, podSubnet, routes, ip, prefix, identity, addOn, kubelet azure.ID
	registry, abacRegistry, zone, publicZone, des, vault, capacity, hosts, gateway            azure.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context()}
	w.start(t)
	w.platform = azure.SubscriptionID(w.az.Subscriptions[0].ID).Join("resourceGroups", "rg-platform")
	w.hub = azure.SubscriptionID(w.az.Subscriptions[1].ID).Join("resourceGroups", "rg-hub")
	w.subnet = w.hub.Resource(estate.TypeSubnet, "vnet", "snet")
	w.apiSubnet = w.hub.Resource(estate.TypeSubnet, "vnet", "snet-api")
	w.podSubnet = w.hub.Resource(estate.TypeSubnet, "vnet", "snet-pods")
	w.zone = w.hub.Resource("Microsoft.Network/privateDnsZones", "privatelink.westeurope.azmk8s.io")
	w.publicZone = w.hub.Resource("Microsoft.Network/dnsZones", "proof.example")
	w.des = w.hub.Resource("Microsoft.Compute/diskEncryptionSets", "des")
	w.vault = w.hub.Resource(estate.TypeVault, "proofkv")
	w.capacity = w.hub.Resource("Microsoft.Compute/capacityReservationGroups", "crg")
	w.hosts = w.hub.Resource("Microsoft.Compute/hostGroups", "hosts")
	w.gateway = w.hub.Resource("Microsoft.Network/applicationGateways", "gw")
	w.routes = w.hub.Resource(estate.TypeRouteTable, "rt")
	w.ip = w.hub.Resource("Microsoft.Network/publicIPAddresses", "ip")
	w.prefix = w.hub.Resource("Microsoft.Network/publicIPPrefixes", "prefix")
	w.identity = w.platform.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id-cluster")
	w.kubelet = w.platform.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id-kubelet")
	w.creator = w.platform.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id-creator")
	w.addOn = w.platform.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id-addon")
	w.registry = w.platform.Resource(estate.TypeRegistry, "proofacr")
	w.abacRegistry = w.platform.Resource(estate.TypeRegistry, "proofabac")
	w.build()
	return w
}

// start runs a local Azure on a free loopback port for as long as the test runs.
func (w *world) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := cloud.Open(w.ctx, cloud.Config{Dir: dir, Addr: l.Addr().String(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c.Handler(), TLSConfig: c.TLS(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close(); c.Close() })
	info := c.Info()
	e := local.Endpoint{
		URL: "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), Addr: l.Addr().String(),
		Tenant: info.Tenant, ClientID: info.OperatorClientID, ObjectID: info.OperatorObjectID,
	}
	for _, s := range info.Subscriptions {
		e.Subscriptions = append(e.Subscriptions, local.Subscription{ID: s.ID, Name: s.Name})
	}
	if err := local.Publish(dir, e); err != nil {
		t.Fatal(err)
	}
	if w.az, err = local.Find(w.ctx, dir); err != nil {
		t.Fatal(err)
	}
	if w.operator, err = w.az.Token(w.ctx, w.az.Operator); err != nil {
		t.Fatal(err)
	}
}

type doc = map[string]any

// build makes the cluster's surroundings and the cluster. What its creation takes is granted, and taken back.
func (w *world) build() {
	subnet := func(id azure.ID, prefix string, more doc) doc {
		more["addressPrefix"] = prefix
		return doc{"name": id.Name(), "properties": more}
	}
	for _, r := range []struct {
		id   azure.ID
		body doc
	}{
		{w.hub, doc{}}, {w.platform, doc{}}, {w.routes, doc{}}, {w.identity, doc{}}, {w.kubelet, doc{}}, {w.addOn, doc{}}, {w.creator, doc{}},
		{w.ip, doc{"sku": doc{"name": "Standard"}, "properties": doc{"publicIPAllocationMethod": "Static"}}},
		{w.prefix, doc{"sku": doc{"name": "Standard"}, "properties": doc{"prefixLength": 30}}},
		{w.subnet.Parent(), doc{"properties": doc{"addressSpace": doc{"addressPrefixes": []any{"10.10.0.0/16"}}, "subnets": []any{
			subnet(w.subnet, "10.10.1.0/24", doc{"routeTable": ref(w.routes)}),
			subnet(w.apiSubnet, "10.10.2.0/24", doc{}), subnet(w.podSubnet, "10.10.3.0/24", doc{})}}}},
		{w.registry, doc{"sku": doc{"name": "Standard"}, "properties": doc{"roleAssignmentMode": "LegacyRegistryPermissions"}}},
		{w.abacRegistry, doc{"sku": doc{"name": "Standard"}, "properties": doc{"roleAssignmentMode": "AbacRepositoryPermissions"}}},
		{w.vault, doc{"properties": doc{"tenantId": w.az.Tenant, "sku": doc{"family": "A", "name": "standard"}, "enableRbacAuthorization": true}}},
		{w.capacity, doc{}}, {w.hosts, doc{"properties": doc{"platformFaultDomainCount": 1}}},
		{w.des, doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"activeKey": doc{"keyUrl": "https://proofkv.vault.azure.net/keys/disks/1", "sourceVault": ref(w.vault)}}}},
	} {
		r.body["location"] = "westeurope"
		w.must(w.call(w.operator, http.MethodPut, r.id, r.body))
	}
	for _, zone := range []azure.ID{w.zone, w.publicZone} {
		w.must(w.call(w.operator, http.MethodPut, zone, doc{"location": "global"}))
	}
	w.must(w.putGateway())
	principal := w.principalOf(w.identity)
	forget := w.grant(principal, w.hub, []azure.Action{"*"}, nil)
	forgetKubelet := w.grant(principal, w.kubelet, []azure.Action{"*"}, nil)
	w.must(w.putCluster())
	w.await()
	forget()
	forgetKubelet()
}

// putGateway makes an application gateway that listens for nothing.
func (w *world) putGateway() error {
	part := func(name string, properties doc) []any { return []any{doc{"name": name, "properties": properties}} }
	child := func(path string) doc { return doc{"id": w.gateway.String() + "/" + path} }
	return w.call(w.operator, http.MethodPut, w.gateway, doc{"location": "westeurope", "properties": doc{
		"sku":                           doc{"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
		"gatewayIPConfigurations":       part("ip", doc{"subnet": ref(w.podSubnet)}),
		"frontendIPConfigurations":      part("front", doc{"subnet": ref(w.podSubnet), "privateIPAllocationMethod": "Dynamic"}),
		"frontendPorts":                 part("port", doc{"port": 80}),
		"backendAddressPools":           part("pool", doc{}),
		"backendHttpSettingsCollection": part("http", doc{"port": 80, "protocol": "Http"}),
		"httpListeners":                 part("listener", doc{"frontendIPConfiguration": child("frontendIPConfigurations/front"), "frontendPort": child("frontendPorts/port"), "protocol": "Http"}),
		"requestRoutingRules": part("rule", doc{"ruleType": "Basic", "priority": 1, "httpListener": child("httpListeners/listener"),
			"backendAddressPool": child("backendAddressPools/pool"), "backendHttpSettings": child("backendHttpSettingsCollection/http")}),
	}})
}

func ref(id azure.ID) doc { return doc{"id": id.String()} }

func (w *world) clusterID() azure.ID { return w.platform.Resource(estate.TypeCluster, "proof") }

// putCluster makes a cluster that uses every feature of the catalogue, although no real one could have all of them.
func (w *world) putCluster() error {
	return w.call(w.operator, http.MethodPut, w.clusterID(), doc{
		"location": "westeurope",
		"identity": doc{"type": "UserAssigned", "userAssignedIdentities": doc{w.identity.String(): doc{}}},
		"properties": doc{
			"dnsPrefix": "proof",
			"agentPoolProfiles": []any{doc{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets",
				"vnetSubnetID": w.subnet.String(), "capacityReservationGroupID": w.capacity.String(), "hostGroupID": w.hosts.String()}},
			"networkProfile": doc{"networkPlugin": "kubenet", "loadBalancerProfile": doc{"backendPoolType": "nodeIP",
				"outboundIPs": doc{"publicIPs": []any{ref(w.ip)}}, "outboundIPPrefixes": doc{"publicIPPrefixes": []any{ref(w.prefix)}}}},
			"identityProfile":         doc{"kubeletidentity": doc{"resourceId": w.kubelet.String()}},
			"apiServerAccessProfile":  doc{"enablePrivateCluster": true, "privateDNSZone": w.zone.String(), "enableVnetIntegration": true, "subnetId": w.apiSubnet.String()},
			"diskEncryptionSetID":     w.des.String(),
			"nodeProvisioningProfile": doc{"mode": "Auto"},
			"bootstrapProfile":        doc{"artifactSource": "Cache", "containerRegistryId": w.registry.String()},
			"securityProfile": doc{"azureKeyVaultKms": doc{"enabled": true, "keyId": "https://proofkv.vault.azure.net/keys/etcd/1",
				"keyVaultNetworkAccess": "Private", "keyVaultResourceId": w.vault.String()}},
			"addonProfiles": doc{
				"ingressApplicationGateway": doc{"enabled": true, "config": doc{"applicationGatewayId": w.gateway.String()}},
			},
			"ingressProfile": doc{"webAppRouting": doc{"enabled": true, "dnsZoneResourceIds": []any{w.publicZone.String(), w.zone.String()}}},
		},
	})
}

// withAddOns completes the add-ons of the cluster as it was read: with virtual nodes, which kubenet does not go with,
// and with an identity where the local Azure made none.
func (w *world) withAddOns(c *estate.Cluster) {
	w.t.Helper()
	identity := doc{"resourceId": w.addOn.String(), "objectId": w.principalOf(w.addOn).String()}
	properties := c.Doc["properties"].(doc)
	addOns := properties["addonProfiles"].(doc)
	addOns["aciConnectorLinux"] = doc{"enabled": true, "config": doc{"SubnetName": w.podSubnet.Name()}}
	for _, profile := range []any{addOns["ingressApplicationGateway"], addOns["aciConnectorLinux"], properties["ingressProfile"].(doc)["webAppRouting"]} {
		if p := profile.(doc); p["identity"] == nil {
			p["identity"] = identity
		}
	}
}

// await waits until AKS is done.
func (w *world) await() {
	w.t.Helper()
	for {
		var c doc
		w.must(w.get(w.clusterID(), &c))
		properties, _ := c["properties"].(doc)
		switch properties["provisioningState"] {
		case "Succeeded":
			return
		case "Failed", "Canceled":
			w.t.Fatalf("the cluster's creation ended as %v", properties["provisioningState"])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// updateAs updates the cluster as somebody who has everything that it takes, but for one need.
func (w *world) updateAs(e *estate.Estate, who estate.Identity, but catalogue.Need) error {
	for _, r := range catalogue.All() {
		if r.Actor != estate.Creator {
			continue
		}
		for need := range r.Needs(e, w.cluster) {
			if !need.Scope.Equal(but.Scope) || need.Actions[0] != but.Actions[0] {
				defer w.grant(who.Principal, need.Scope, need.Actions, nil)()
			}
		}
	}
	defer w.grant(w.principalOf(w.identity), w.kubelet, []azure.Action{"*"}, nil)() // which AKS looks at afterwards
	return w.updateBy(w.as(who))
}

// updateCluster puts the cluster as it is, as az aks update does: AKS checks what it needs. It has the rest of that.
func (w *world) updateCluster() error { return w.updateBy(w.operator) }

func (w *world) updateBy(token string) error {
	var c doc
	w.must(w.get(w.clusterID(), &c))
	defer w.grant(w.principalOf(w.identity), w.hub, []azure.Action{"*"}, nil)()
	err := w.call(token, http.MethodPut, w.clusterID(), c)
	if err == nil {
		w.await()
	}
	return err
}

// load reads the world as aksid check does.
func (w *world) load() *estate.Estate {
	w.t.Helper()
	l, err := estate.LocalAzure(w.az)
	if err != nil {
		w.t.Fatal(err)
	}
	l.Registries = []string{w.registry.Name(), w.abacRegistry.Name()}
	e, err := l.Load(w.ctx)
	if err != nil || len(e.Clusters) != 1 || len(e.Incomplete) > 0 {
		w.t.Fatal(err, len(e.Clusters), e.Incomplete)
	}
	w.cluster = e.Clusters[0]
	w.withAddOns(w.cluster)
	e.AddKube(w.cluster, w.kube())
	e.NameCreator(w.principalOf(w.creator))
	return e
}

// kube are the Kubernetes objects of the cluster. What they name is in a resource group of its own.
func (w *world) kube() *estate.Kube {
	w.t.Helper()
	text, err := os.ReadFile("testdata/kube.json")
	w.must(err)
	path := filepath.Join(w.t.TempDir(), "kube.json")
	text = bytes.ReplaceAll(text, []byte("11111111-1111-1111-1111-111111111111"), []byte(w.platform.Subscription()))
	w.must(os.WriteFile(path, text, 0o600))
	k, err := estate.ReadKube(path)
	w.must(err)
	apps := azure.SubscriptionID(w.platform.Subscription()).Join("resourceGroups", "rg-apps")
	for _, r := range []struct {
		id   azure.ID
		body doc
	}{
		{apps, doc{}},
		{apps.Resource("Microsoft.Compute/disks", "disk"), doc{"properties": doc{"creationData": doc{"createOption": "Empty"}, "diskSizeGB": 4}}},
		{apps.Resource("Microsoft.Compute/diskEncryptionSets", "des"), doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"activeKey": doc{"keyUrl": "https://proofkv.vault.azure.net/keys/disks/1"}}}},
		{apps.Resource("Microsoft.Storage/storageAccounts", "proofshares"), doc{"sku": doc{"name": "Standard_LRS"}, "kind": "StorageV2", "properties": doc{}}},
	} {
		r.body["location"] = "westeurope"
		w.must(w.call(w.operator, http.MethodPut, r.id, r.body))
	}
	return k
}

// as is a token of an identity of the cluster, from the metadata service of where it is attached.
func (w *world) as(who estate.Identity) string {
	w.t.Helper()
	machine := who.Resource // which counts as a machine that has this identity alone
	switch who.Role {
	case estate.ControlPlane:
		machine = w.cluster.ID
	case estate.Creator:
		machine = w.creator
	}
	token, err := w.az.MachineToken(w.ctx, machine)
	w.must(err)
	return token
}

// grant makes a custom role of actions and assigns it; forget takes both away.
func (w *world) grant(to azure.PrincipalID, scope azure.ID, actions, dataActions []azure.Action) (forget func()) {
	w.t.Helper()
	forget, err := w.tryGrant(to, scope, actions, dataActions)
	w.must(err)
	return forget
}

func (w *world) tryGrant(to azure.PrincipalID, scope azure.ID, actions, dataActions []azure.Action) (forget func(), err error) {
	if len(actions)+len(dataActions) == 0 {
		return func() {}, nil
	}
	sub := azure.SubscriptionID(scope.Subscription())
	role := sub.Resource("Microsoft.Authorization/roleDefinitions", azure.NewGUID().String())
	if err := w.call(w.operator, http.MethodPut, role, doc{"properties": doc{
		"roleName": "proof " + strconv.Itoa(w.next()), "type": "CustomRole", "assignableScopes": []any{sub.String()},
		"permissions": []any{doc{"actions": actions, "notActions": []any{}, "dataActions": dataActions, "notDataActions": []any{}}},
	}}); err != nil {
		return nil, err
	}
	assignment := scope.Resource("Microsoft.Authorization/roleAssignments", azure.NewGUID().String())
	err = w.call(w.operator, http.MethodPut, assignment, doc{
		"properties": doc{"roleDefinitionId": role.String(), "principalId": to, "principalType": "ServicePrincipal"},
	})
	return func() {
		w.must(w.call(w.operator, http.MethodDelete, assignment, nil))
		w.must(w.call(w.operator, http.MethodDelete, role, nil))
	}, err
}

// revoke takes away every role that is assigned to a principal at a scope.
func (w *world) revoke(from azure.PrincipalID, scope azure.ID) {
	w.t.Helper()
	var page struct {
		Value []struct {
			ID         azure.ID
			Properties struct {
				PrincipalID azure.PrincipalID `json:"principalId"`
				Scope       azure.ID
			}
		}
	}
	list := w.at(scope.Resource("Microsoft.Authorization/roleAssignments")) + "&$filter=atScope()"
	w.must(w.az.Call(w.ctx, w.operator, http.MethodGet, list, nil, &page))
	for _, a := range page.Value {
		if a.Properties.PrincipalID == from && a.Properties.Scope.Equal(scope) {
			w.must(w.call(w.operator, http.MethodDelete, a.ID, nil))
		}
	}
}

func (w *world) principalOf(identity azure.ID) azure.PrincipalID {
	w.t.Helper()
	var d struct {
		Properties struct {
			PrincipalID azure.PrincipalID `json:"principalId"`
		}
	}
	w.must(w.get(identity, &d))
	return d.Properties.PrincipalID
}

func (w *world) next() int { w.count++; return w.count }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// versions are api-versions that the calls are made with, by provider.
var versions = map[string]string{
	"microsoft.authorization": "2022-04-01", "microsoft.compute": "2023-09-01", "microsoft.containerregistry": "2025-11-01",
	"microsoft.containerservice": "2024-09-01", "microsoft.managedidentity": "2023-01-31", "microsoft.network": "2023-09-01",
	"microsoft.resources": "2021-04-01", "microsoft.storage": "2023-05-01", "microsoft.keyvault": "2023-07-01",
	"microsoft.network/privatednszones": "2020-06-01", "microsoft.network/dnszones": "2018-05-01",
}

func (w *world) at(id azure.ID) string {
	_, typ, _ := id.Split()
	provider, rest, _ := strings.Cut(strings.ToLower(typ), "/")
	first, _, _ := strings.Cut(rest, "/")
	version, ok := versions[provider+"/"+first]
	if !ok {
		version = versions[provider]
	}
	return (&url.URL{Path: id.String(), RawQuery: "api-version=" + version}).String()
}

func (w *world) call(token, method string, id azure.ID, body doc) error {
	if body == nil {
		return w.az.Call(w.ctx, token, method, w.at(id), nil, nil)
	}
	return w.az.Call(w.ctx, token, method, w.at(id), body, nil)
}

func (w *world) get(id azure.ID, into any) error {
	return w.az.Call(w.ctx, w.operator, http.MethodGet, w.at(id), nil, into)
}

// registryToken asks a registry for a token; its refusal has the registry's own code.
func (w *world) registryToken(service, endpoint string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "https://"+service+"/oauth2/"+endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := w.az.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
		Errors  []struct{ Code, Message string }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK && len(answer.Errors) > 0 {
		return "", &azure.Error{Status: resp.StatusCode, Code: answer.Errors[0].Code, Message: answer.Errors[0].Message}
	}
	return answer.Refresh + answer.Access, nil
}

// useKey encrypts or decrypts with a key of a vault, which need not exist: the vault looks at rights first.
func (w *world) useKey(vault azure.ID, who estate.Identity, action string) error {
	token, err := w.vaultToken()
	if err != nil {
		return err
	}
	verb := strings.Split(action, "/")[3]
	target := "https://" + vault.Name() + ".vault.azure.net/keys/proof/1/" + verb + "?api-version=7.4"
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, target, strings.NewReader(`{"alg": "RSA-OAEP-256", "value": "AAAA"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.az.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &azure.Error{Status: resp.StatusCode, Code: answer.Error.Code, Message: answer.Error.Message}
}

// vaultToken is a token of the control plane identity for vaults.
func (w *world) vaultToken() (string, error) {
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {"https://vault.azure.net"}}
	target := w.az.URL + local.AdminPath + "/imds" + w.cluster.ID.String() + "/metadata/identity/oauth2/token?" + query.Encode()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Metadata", "true")
	req.Header.Set(local.AdminHeader, w.az.AdminKey)
	resp, err := w.az.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	return answer.Token, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
}
