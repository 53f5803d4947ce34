package controllers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// world is a local Azure, which runs for all tests of the package, as its operator sees it.
type world struct {
	*local.Azure
	azure *Azure
	token string
}

var shared *world

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds aksid and lets it run a local Azure while the tests run.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aksid-controllers-")
	check(err)
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	program := filepath.Join(dir, "aksid.exe")
	build := exec.CommandContext(ctx, "go", "build", "-C", "../..", "-o", program, "./cmd/aksid")
	build.Stderr = os.Stderr
	check(build.Run())
	data := filepath.Join(dir, "data")
	up := exec.CommandContext(ctx, program, "up", "--data", data, "--addr", "127.0.0.1:0")
	up.Stderr = os.Stderr
	up.Cancel = func() error { return up.Process.Signal(os.Interrupt) }
	check(up.Start())
	defer func() { stop(); _ = up.Wait() }()
	shared = &world{}
	for shared.Azure == nil {
		if shared.Azure, err = local.Find(ctx, data); err != nil {
			time.Sleep(10 * time.Millisecond)
		}
		if up.ProcessState != nil {
			panic("aksid up has ended")
		}
	}
	shared.token, err = shared.Token(ctx, shared.Operator)
	check(err)
	shared.azure = Connect(shared.Azure)
	return m.Run()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type doc = map[string]any

// call makes a call as the operator and decodes the answer.
func (w *world) call(t *testing.T, method string, id azure.ID, body any) doc {
	t.Helper()
	version := map[string]string{"microsoft.network": "2023-09-01", "microsoft.compute": "2023-09-01", "microsoft.containerservice": "2024-09-01", "microsoft.authorization": "2022-04-01",
		"microsoft.containerregistry": "2025-11-01"}
	_, typ, _ := id.Split()
	provider, _, _ := strings.Cut(strings.ToLower(typ), "/")
	v, ok := version[provider]
	if !ok {
		v = "2021-04-01"
	}
	var out doc
	if err := w.Call(t.Context(), w.token, method, id.String()+"?api-version="+v, body, &out); err != nil && method != http.MethodDelete {
		t.Fatalf("%s %s: %v", method, id, err)
	}
	return out
}

func (w *world) put(t *testing.T, id azure.ID, body doc) doc {
	t.Helper()
	body["location"] = "westeurope"
	return w.call(t, http.MethodPut, id, body)
}

func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(doc)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func text(v any, path ...any) string { s, _ := at(v, path...).(string); return s }

// aks is a cluster of the world.
type aks struct {
	*world
	id, nodes azure.ID
	principal string
	spec      act.Cluster
}

// cluster makes a kubenet cluster with two nodes and a system-assigned identity: of all of them, none is named when they
// ask for a token.
func (w *world) cluster(t *testing.T, name string) *aks {
	t.Helper()
	group := azure.SubscriptionID(w.Subscriptions[0].ID).Join("resourceGroups", "rg-"+name)
	w.put(t, group, doc{})
	c := &aks{world: w, id: group.Resource("Microsoft.ContainerService/managedClusters", name)}
	w.put(t, c.id, doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"dnsPrefix": name, "networkProfile": doc{"networkPlugin": "kubenet"},
		"agentPoolProfiles": []any{doc{"name": "system", "mode": "System", "count": 2, "vmSize": "Standard_DS2_v2"}}}})
	var made doc
	for text(made, "properties", "provisioningState") != "Succeeded" {
		made = w.call(t, http.MethodGet, c.id, nil)
	}
	c.principal = text(made, "identity", "principalId")
	c.nodes = azure.SubscriptionID(c.id.Subscription()).Join("resourceGroups", text(made, "properties", "nodeResourceGroup"))
	c.describe(t, text(made, "properties", "identityProfile", "kubeletidentity", "clientId"))
	return c
}

// describe reads the cluster's machines and networks, as aksid does.
func (c *aks) describe(t *testing.T, kubelet string) {
	t.Helper()
	set := at(c.call(t, http.MethodGet, c.nodes.Resource("Microsoft.Compute/virtualMachineScaleSets"), nil), "value", 0)
	id := azure.MustID(text(set, "id"))
	nic := at(set, "properties", "virtualMachineProfile", "networkProfile", "networkInterfaceConfigurations", 0, "properties")
	subnet := azure.MustID(text(nic, "ipConfigurations", 0, "properties", "subnet", "id"))
	table := azure.MustID(text(c.call(t, http.MethodGet, subnet, nil), "properties", "routeTable", "id"))
	c.spec = act.Cluster{ID: c.id.String(), Machine: c.id.String(), PodCIDR: "10.244.0.0/16", Config: doc{
		"cloud": "AzurePublicCloud", "tenantId": c.Tenant.String(), "subscriptionId": c.id.Subscription(), "useManagedIdentityExtension": true, "resourceGroup": c.nodes.Name(),
		"location": "westeurope", "vmType": "vmss", "loadBalancerSku": "standard", "primaryScaleSetName": id.Name(), "disableAvailabilitySetNodes": true,
		"vnetName": subnet.Parent().Name(), "vnetResourceGroup": subnet.ResourceGroup(), "subnetName": subnet.Name(), "routeTableName": table.Name(),
		"securityGroupName": azure.MustID(text(nic, "networkSecurityGroup", "id")).Name(),
	}, Kubelet: &act.Kubelet{Machine: id.String(), Config: doc{"cloud": "AzurePublicCloud", "tenantId": c.Tenant.String(), "subscriptionId": c.id.Subscription(),
		"useManagedIdentityExtension": true, "userAssignedIdentityID": kubelet}}}
	machines, _ := c.call(t, http.MethodGet, id.Join("virtualMachines"), nil)["value"].([]any)
	for i, m := range machines {
		machine := azure.MustID(text(m, "id"))
		c.spec.Nodes = append(c.spec.Nodes, act.Node{Name: text(m, "properties", "osProfile", "computerName"), IP: fmt.Sprintf("10.224.0.%d", 4+i), PodCIDR: fmt.Sprintf("10.244.%d.0/24", i),
			ID: strings.Replace(machine.String(), machine.ResourceGroup(), strings.ToLower(machine.ResourceGroup()), 1)})
	}
}

// open starts the cluster's control plane for as long as the test runs.
func (c *aks) open(t *testing.T) *Cluster {
	t.Helper()
	running, err := c.azure.Open(c.spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Close)
	return running
}

// only leaves the control plane these actions in the node resource group.
func (c *aks) only(t *testing.T, actions ...string) {
	t.Helper()
	const assignments, definitions = "Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions"
	all, _ := c.call(t, http.MethodGet, c.nodes.Resource(assignments), nil)["value"].([]any)
	for _, a := range all {
		if id := azure.MustID(text(a, "id")); text(a, "properties", "principalId") == c.principal && c.nodes.Contains(id) {
			c.call(t, http.MethodDelete, id, nil)
		}
	}
	if len(actions) == 0 {
		return
	}
	sub := azure.SubscriptionID(c.id.Subscription())
	role := sub.Resource(definitions, azure.NewGUID().String())
	c.call(t, http.MethodPut, role, doc{"properties": doc{"roleName": role.Name(), "type": "CustomRole", "assignableScopes": []any{sub.String()},
		"permissions": []any{doc{"actions": actions, "notActions": []any{}, "dataActions": []any{}, "notDataActions": []any{}}}}})
	c.call(t, http.MethodPut, c.nodes.Resource(assignments, azure.NewGUID().String()), doc{"properties": doc{"principalId": c.principal, "principalType": "ServicePrincipal", "roleDefinitionId": role.String()}})
}
