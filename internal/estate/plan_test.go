package estate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// block is a resource of a plan and of its configuration.
type block struct {
	address string              // with the module's instance and the instance key
	actions string              // "" is create
	after   string              // JSON
	refs    map[string][]string // references of attributes, by dotted paths
	each    []string            // references of for_each
	needs   []string            // depends_on
}

// planOf makes a plan, as terraform show -json prints it.
func planOf(t *testing.T, variables, calls string, blocks ...block) string {
	t.Helper()
	config := map[string]any{}
	root := map[string]any{"resources": []any{}}
	if calls != "" {
		if err := json.Unmarshal([]byte(calls), &root); err != nil {
			t.Fatal(err)
		}
	}
	config["root_module"] = root
	var changes []any
	for _, b := range blocks {
		changes = append(changes, b.change(t))
		b.configure(root)
	}
	doc := map[string]any{"format_version": "1.2", "terraform_version": "1.9.0", "variables": json.RawMessage(or(variables, "{}")),
		"resource_changes": changes, "configuration": config, "relevant_attributes": relevantOf(blocks)}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (b block) parts() (module string, rest []step, key any) {
	steps := stepsOf(b.address)
	n := 0
	for n+1 < len(steps) && steps[n].text == "module" {
		n += 2
		if steps[n].index {
			n++
		}
	}
	rest = steps[n:]
	if last := rest[len(rest)-1]; last.index {
		key, rest = last.text, rest[:len(rest)-1]
		if isNumber(last.text) {
			key = json.Number(last.text)
		}
	}
	return spell(steps[:n]), rest, key
}

func (b block) change(t *testing.T) any {
	module, rest, key := b.parts()
	var after any
	if err := json.Unmarshal([]byte(or(b.after, "{}")), &after); err != nil {
		t.Fatalf("%s: %v", b.address, err)
	}
	c := map[string]any{"address": b.address, "mode": "managed", "type": rest[0].text, "name": rest[1].text,
		"change": map[string]any{"actions": strings.Split(or(b.actions, "create"), ","), "after": after}}
	if rest[0].text == "data" {
		c["mode"], c["type"], c["name"] = "data", rest[1].text, rest[2].text
	}
	if module != "" {
		c["module_address"] = module
	}
	if key != nil {
		c["index"] = key
	}
	return c
}

// configure adds the block to the configuration of its module, once.
func (b block) configure(root map[string]any) {
	module, rest, _ := b.parts()
	for _, s := range stepsOf(module) {
		if s.text != "module" && !s.index {
			root = root["module_calls"].(map[string]any)[s.text].(map[string]any)["module"].(map[string]any)
		}
	}
	all, _ := root["resources"].([]any)
	for _, r := range all {
		if textAt(r, "address") == spell(rest) {
			return
		}
	}
	expressions := map[string]any{}
	for path, refs := range b.refs {
		setExpression(expressions, strings.Split(path, "."), refs)
	}
	r := map[string]any{"address": spell(rest), "provider_config_key": "azurerm", "expressions": expressions, "depends_on": b.needs}
	if b.each != nil {
		r["for_each_expression"] = map[string]any{"references": b.each}
	}
	root["resources"] = append(all, r)
}

func setExpression(into map[string]any, path []string, refs []string) {
	if len(path) == 1 {
		into[path[0]] = map[string]any{"references": unwound(refs)}
		return
	}
	list, ok := into[path[0]].([]any)
	if !ok {
		list = []any{map[string]any{}}
		into[path[0]] = list
	}
	setExpression(list[0].(map[string]any), path[1:], refs)
}

// unwound adds the beginnings of each reference, as Terraform does.
func unwound(refs []string) []string {
	var out []string
	for _, ref := range refs {
		steps := stepsOf(ref)
		for n := len(steps); n >= 2; n-- {
			out = append(out, spell(steps[:n]))
		}
	}
	return out
}

func relevantOf(blocks []block) []any {
	var out []any
	for _, b := range blocks {
		for _, refs := range b.refs {
			for _, ref := range refs {
				if strings.HasPrefix(ref, "relevant ") {
					resource, attribute, _ := strings.Cut(strings.TrimPrefix(ref, "relevant "), " ")
					out = append(out, map[string]any{"resource": resource, "attribute": []any{attribute}})
				}
			}
		}
	}
	return out
}

const planSub = "33333333-3333-3333-3333-333333333333"

// base is a cluster with a user-assigned identity in a subnet of its own, and a registry.
func base() []block {
	group := []string{"azurerm_resource_group.g.name"}
	return []block{
		{address: "azurerm_resource_group.g", after: `{"name": "rg", "location": "westeurope"}`},
		{address: "azurerm_virtual_network.v", after: `{"name": "vnet", "resource_group_name": "rg", "location": "westeurope"}`, refs: map[string][]string{"resource_group_name": group}},
		{address: "azurerm_subnet.nodes", after: `{"name": "nodes", "resource_group_name": "rg", "virtual_network_name": "vnet"}`, refs: map[string][]string{"virtual_network_name": {"azurerm_virtual_network.v.name"}}},
		{address: "azurerm_user_assigned_identity.aks", after: `{"name": "id-aks", "resource_group_name": "rg"}`},
		{address: "azurerm_container_registry.acr", after: `{"name": "acr", "resource_group_name": "rg", "role_assignment_mode": "LegacyRegistryPermissions"}`},
		{address: "azurerm_kubernetes_cluster.aks", after: `{"name": "aks", "resource_group_name": "rg", "location": "westeurope", "identity": [{"type": "UserAssigned"}],
			"default_node_pool": [{"name": "system"}], "network_profile": [{"network_plugin": "azure", "network_plugin_mode": "overlay"}]}`,
			refs: map[string][]string{"identity.identity_ids": {"azurerm_user_assigned_identity.aks.id"}, "default_node_pool.vnet_subnet_id": {"azurerm_subnet.nodes.id"}}},
	}
}

// joining and pulling are role assignments with references in the place of principal and scope.
func joining(principal, scope []string) block {
	return block{address: "azurerm_role_assignment.join", after: `{"role_definition_name": "Network Contributor"}`,
		refs: map[string][]string{"principal_id": principal, "scope": scope}}
}

func pulling(principal, scope []string) block {
	return block{address: "azurerm_role_assignment.pull", after: `{"role_definition_name": "AcrPull", "skip_service_principal_aad_check": true}`,
		refs: map[string][]string{"principal_id": principal, "scope": scope}}
}

// outcomes says how the two questions of every cluster are decided: may the control plane join the nodes' subnet, may the
// kubelet pull from the registry.
func outcomes(t *testing.T, e *Estate) string {
	t.Helper()
	if len(e.Clusters) != 1 {
		t.Fatalf("%d clusters", len(e.Clusters))
	}
	c := e.Clusters[0]
	control, _ := e.Actor(c, ControlPlane, "")
	kubelet, _ := e.Actor(c, Kubelet, "")
	subnets, registries := c.NodeSubnets(), e.Resources(TypeRegistry)
	if len(subnets) == 0 || len(registries) == 0 || !control.Known() || !kubelet.Known() {
		t.Fatalf("subnets %v, registries %v, identities %+v %+v", subnets, registries, control, kubelet)
	}
	join := e.Decide(rbac.Request{Principal: control.Principal, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnets[0]})
	pull := e.Decide(rbac.Request{Principal: kubelet.Principal, Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: registries[0].ID})
	own := e.Decide(rbac.Request{Principal: control.Principal, Action: "Microsoft.Network/loadBalancers/write", Scope: c.NodeGroup()})
	if own.Outcome != rbac.Granted {
		t.Errorf("AKS's own grant: %v", own.Outcome)
	}
	return join.Outcome.String() + " " + pull.Outcome.String()
}

var (
	identityRef = []string{"azurerm_user_assigned_identity.aks.principal_id"}
	subnetRef   = []string{"azurerm_subnet.nodes.id"}
	kubeletRef  = []string{"azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id"}
	registryRef = []string{"azurerm_container_registry.acr.id"}
)

// The styles in which roles are given.
func TestPlanStyles(t *testing.T) {
	const granted = "Granted Granted"
	with := func(more ...block) []block { return append(base(), more...) }
	for _, c := range []struct {
		name, variables, calls string
		blocks                 []block
		want                   string
	}{
		{name: "no roles", blocks: base(), want: "NotGranted NotGranted"},
		{name: "plain references", blocks: with(joining(identityRef, subnetRef), pulling(kubeletRef, registryRef)), want: granted},
		{name: "the control plane's principal pulls", blocks: with(pulling(identityRef, registryRef)), want: "NotGranted NotGranted"},
		{name: "the whole group", blocks: with(joining(identityRef, []string{"azurerm_resource_group.g.id"}), pulling(kubeletRef, []string{"azurerm_resource_group.g.id"})), want: granted},
		{name: "one() of a splat", blocks: with(joining([]string{"azurerm_user_assigned_identity.aks"}, []string{"azurerm_subnet.nodes"})), want: "Granted NotGranted"},
		{name: "a splat of the cluster, which brings one principal alone", blocks: with(joining(identityRef, subnetRef), pulling([]string{"azurerm_kubernetes_cluster.aks"}, registryRef)), want: granted},
		{name: "a variable of the root", variables: `{"oid": {"value": "44444444-4444-4444-4444-444444444444"}}`, blocks: with(joining([]string{"var.oid"}, subnetRef)), want: "NotGranted NotGranted"},
		{name: "a local, with one identity in sight", blocks: with(joining([]string{"local.principal", "relevant azurerm_user_assigned_identity.aks principal_id"}, subnetRef)), want: "Granted NotGranted"},
		{name: "a local, with two in sight", blocks: with(
			block{address: "azurerm_user_assigned_identity.other", after: `{"name": "id-other", "resource_group_name": "rg"}`},
			joining([]string{"local.principal", "relevant azurerm_user_assigned_identity.aks principal_id", "relevant azurerm_user_assigned_identity.other principal_id"}, subnetRef)), want: "Unknown NotGranted"},
		{name: "a local, with nothing in sight", blocks: with(joining([]string{"local.principal"}, subnetRef)), want: "Unknown NotGranted"},
		{name: "for_each over resources", blocks: with(block{address: `azurerm_role_assignment.all["x"]`, after: `{"role_definition_name": "AcrPull"}`,
			refs: map[string][]string{"principal_id": kubeletRef, "scope": {"each.value.id"}}, each: []string{"azurerm_container_registry.acr"}}), want: "NotGranted Granted"},
		{name: "for_each over a set of ids", blocks: with(block{address: `azurerm_role_assignment.all["/subscriptions/` + UnnamedSubscription + `/resourceGroups/rg"]`, after: `{"role_definition_name": "AcrPull"}`,
			refs: map[string][]string{"principal_id": kubeletRef, "scope": {"each.value"}}}), want: "NotGranted Granted"},
		{name: "a module's output", calls: `{"module_calls": {"identity": {"expressions": {}, "module": {
				"outputs": {"principal_id": {"expression": {"references": ["azurerm_user_assigned_identity.this.principal_id", "azurerm_user_assigned_identity.this"]}},
				            "id": {"expression": {"references": ["azurerm_user_assigned_identity.this.id", "azurerm_user_assigned_identity.this"]}}}}}}}`,
			blocks: append(replaceIdentity(base()), block{address: "module.identity.azurerm_user_assigned_identity.this", after: `{"name": "id-aks", "resource_group_name": "rg"}`},
				joining([]string{"module.identity.principal_id"}, subnetRef)), want: "Granted NotGranted"},
		{name: "a module's inputs", calls: `{"module_calls": {"roles": {"expressions": {
				"principal": {"references": ["azurerm_user_assigned_identity.aks.principal_id", "azurerm_user_assigned_identity.aks"]},
				"scope": {"references": ["azurerm_subnet.nodes.id", "azurerm_subnet.nodes"]}}, "module": {"variables": {"principal": {}, "scope": {}}}}}}`,
			blocks: with(block{address: "module.roles.azurerm_role_assignment.this", after: `{"role_definition_name": "Network Contributor"}`,
				refs: map[string][]string{"principal_id": {"var.principal"}, "scope": {"var.scope"}}}), want: "Granted NotGranted"},
		{name: "inputs through two modules with for_each", calls: `{"module_calls": {"outer": {"expressions": {"who": {"references": ["azurerm_user_assigned_identity.aks.principal_id"]}}, "for_each_expression": {},
				"module": {"variables": {"who": {}}, "module_calls": {"inner": {"expressions": {"p": {"references": ["var.who"]}, "s": {"references": ["each.key"]}}, "module": {"variables": {"p": {}, "s": {}}}}}}}}}`,
			blocks: with(block{address: `module.outer["a"].module.inner["/subscriptions/` + UnnamedSubscription + `/resourceGroups/rg"].azurerm_role_assignment.r`, after: `{"role_definition_name": "Network Contributor"}`,
				refs: map[string][]string{"principal_id": {"var.p"}, "scope": {"var.s"}}}), want: "Granted NotGranted"},
		{name: "a custom role", blocks: with(
			block{address: "azurerm_role_definition.join", after: `{"name": "Subnet join", "permissions": [{"actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"], "not_actions": []}]}`, refs: map[string][]string{"scope": {"azurerm_resource_group.g.id"}}},
			block{address: "azurerm_role_assignment.join", after: `{}`, refs: map[string][]string{"role_definition_id": {"azurerm_role_definition.join.role_definition_resource_id"}, "principal_id": identityRef, "scope": subnetRef}}), want: "Granted NotGranted"},
		{name: "a role on something that clusters have nothing to do with", blocks: with(
			block{address: "azurerm_mssql_server.db", after: `{"name": "sql", "resource_group_name": "rg"}`},
			joining(identityRef, []string{"azurerm_mssql_server.db.id", "azurerm_mssql_server.db"})), want: "NotGranted NotGranted"},
		{name: "a role for something that clusters have nothing to do with", blocks: with(
			block{address: "azurerm_dashboard_grafana.g", after: `{"name": "g", "resource_group_name": "rg", "identity": [{"type": "SystemAssigned"}]}`},
			joining([]string{"azurerm_dashboard_grafana.g.identity[0].principal_id"}, subnetRef)), want: "NotGranted NotGranted"},
		{name: "a role for whoever applies the plan", blocks: with(
			block{address: "data.azurerm_client_config.me", actions: "read"},
			joining([]string{"data.azurerm_client_config.me.object_id"}, subnetRef)), want: "NotGranted NotGranted"},
		{name: "a role on a management group, which may be above", blocks: with(
			block{address: "azurerm_management_group.mg", after: `{"display_name": "corp"}`},
			joining(identityRef, []string{"azurerm_management_group.mg.id"})), want: "Unknown NotGranted"},
		{name: "a role that nobody defines", blocks: with(block{address: "azurerm_role_assignment.join", after: `{"role_definition_name": "Our own"}`, refs: map[string][]string{"principal_id": identityRef, "scope": subnetRef}}), want: "Unknown NotGranted"},
		{name: "a role by its id", blocks: with(block{address: "azurerm_role_assignment.join", after: `{"role_definition_id": "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7"}`, refs: map[string][]string{"principal_id": identityRef, "scope": subnetRef}}), want: "Granted NotGranted"},
		{name: "a role that is taken away", blocks: with(block{address: "azurerm_role_assignment.join", actions: "delete", after: "null", refs: map[string][]string{"principal_id": identityRef, "scope": subnetRef}}), want: "NotGranted NotGranted"},
		{name: "a group of the directory", blocks: with(
			block{address: "azuread_group.aks", after: `{"display_name": "clusters"}`},
			block{address: "azuread_group_member.aks", refs: map[string][]string{"group_object_id": {"azuread_group.aks.object_id"}, "member_object_id": identityRef}},
			joining([]string{"azuread_group.aks.object_id"}, subnetRef)), want: "Granted NotGranted"},
		{name: "an azapi role assignment", blocks: with(block{address: "azapi_resource.role", after: `{"type": "Microsoft.Authorization/roleAssignments@2022-04-01", "name": "55555555-5555-5555-5555-555555555555",
			"body": {"properties": {"principalType": "ServicePrincipal", "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7"}}}`,
			refs: map[string][]string{"parent_id": subnetRef, "body": identityRef}}), want: "Granted NotGranted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := load(t, Files{Path: write(t, "plan.json", planOf(t, c.variables, c.calls, c.blocks...))})
			if got := outcomes(t, e); got != c.want {
				t.Errorf("%s, want %s; grants %s", got, c.want, grants(e))
			}
		})
	}
}

// replaceIdentity gives the cluster the identity of a module.
func replaceIdentity(blocks []block) []block {
	blocks = slices.DeleteFunc(blocks, func(b block) bool { return b.address == "azurerm_user_assigned_identity.aks" })
	for i := range blocks {
		if refs := blocks[i].refs["identity.identity_ids"]; refs != nil {
			blocks[i].refs["identity.identity_ids"] = []string{"module.identity.id"}
		}
	}
	return blocks
}

func grants(e *Estate) string {
	var out []string
	for g := range e.Policy.Grants() {
		out = append(out, fmt.Sprintf("%s %s on %s", e.PrincipalName(g.Principal), e.RoleName(g.Role), g.Scope))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// What exists already may hold more than the plan shows.
func TestPlanOfExisting(t *testing.T) {
	const oid = "66666666-6666-6666-6666-666666666666"
	blocks := base()
	blocks[3].actions = "no-op"
	blocks[3].after = `{"id": "/subscriptions/` + planSub + `/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-aks", "name": "id-aks", "resource_group_name": "rg", "principal_id": "` + oid + `", "client_id": "` + oid + `"}`
	text := planOf(t, "", "", append(blocks, pulling(kubeletRef, registryRef))...)
	e := load(t, Files{Path: write(t, "plan.json", text)})
	if got := outcomes(t, e); got != "Unknown Granted" {
		t.Errorf("%s: what an identity that exists holds already is not known", got)
	}
	if e.Clusters[0].ID.Subscription() != planSub {
		t.Errorf("subscription of %s: a resource that exists tells it", e.Clusters[0].ID)
	}
	if !slices.ContainsFunc(e.Incomplete, func(i Incomplete) bool { return strings.Contains(i.Right, "--assignee "+oid) }) {
		t.Errorf("nothing says what would tell: %+v", e.Incomplete)
	}
	listing := "[" + assignment(1, oid, "ServicePrincipal", "4d97b98b-1d4f-4787-a291-c67834d212e7", "/subscriptions/"+planSub) + "]"
	e = load(t, Files{Path: write(t, "plan.json", text, "roles.json", listing)})
	if got := outcomes(t, e); got != "Granted Granted" {
		t.Errorf("%s with the listing of its roles beside the plan", got)
	}
}

// A principal that is replaced is another one: what the old one held is of no use to it.
func TestPlanReplaces(t *testing.T) {
	blocks := base()
	blocks[3].actions = "delete,create"
	e := load(t, Files{Path: write(t, "plan.json", planOf(t, "", "", append(blocks, joining([]string{"var.old"}, subnetRef))...))})
	if got := outcomes(t, e); got != "Unknown NotGranted" {
		t.Error(got)
	}
}

// The real plans, with the configuration beside them and without.
func TestRealPlans(t *testing.T) {
	for _, c := range []struct{ archive, with, without string }{
		{"plan-freight", "NotGranted NotGranted", "NotGranted NotGranted"},
		{"plan-freight-fixed", "Granted Granted", "Granted Granted"},
	} {
		dir := unpackAll(t, "testdata/"+c.archive+".txtar")
		if got := outcomes(t, load(t, Files{Path: dir})); got != c.with {
			t.Errorf("%s: %s, want %s", c.archive, got, c.with)
		}
	}
	dir := unpackAll(t, "testdata/plan-game.txtar")
	sub := azure.MustGUID("9dd7ae0c-2d39-4c75-8f66-3a2d3d0f3a11")
	e := load(t, Files{Path: dir + "/plan.json", Subscription: sub, Clusters: []string{"loadtest-1"}})
	if got := outcomes(t, e); got != "Granted NotGranted" {
		t.Errorf("game: %s, want the control plane to join through the subscription and the kubelet not to pull; %s", got, grants(e))
	}
	if d, ok := e.Declared(e.Clusters[0].ID); !ok || !strings.HasSuffix(d.File, "main.tf") || d.Line != 33 || d.Address != "azurerm_kubernetes_cluster.c[1]" || !d.Creates {
		t.Errorf("declared %+v %v", d, ok)
	}
}

// The configuration beside a plan tells what the plan does not.
func TestPlanSource(t *testing.T) {
	lost := []string{"azurerm_kubernetes_cluster.aks"}
	for _, c := range []struct{ name, principal, more, want string }{
		{"a splat", "one(azurerm_kubernetes_cluster.aks[*].kubelet_identity[0].object_id)", "", "Granted"},
		{"a splat of the control plane", "one(azurerm_user_assigned_identity.aks[*].principal_id)", "", "NotGranted"},
		{"a local", "local.who", `locals { who = azurerm_kubernetes_cluster.aks.kubelet_identity.0.object_id }`, "Granted"},
		{"a local object", `local.ids["kubelet"].oid`, `locals { ids = { kubelet = { oid = azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id }, control = { oid = azurerm_user_assigned_identity.aks.principal_id } } }`, "Granted"},
		{"the other member", `local.ids.control.oid`, `locals { ids = { kubelet = { oid = azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id }, control = { oid = azurerm_user_assigned_identity.aks.principal_id } } }`, "NotGranted"},
		{"try", "try(azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id, null)", "", "Granted"},
		{"a for expression", `local.m["x"]`, `locals { m = { for k, v in { x = azurerm_kubernetes_cluster.aks } : k => v.kubelet_identity[0].object_id } }`, "Granted"},
		{"a list", "local.l[1]", `locals { l = [azurerm_user_assigned_identity.aks.principal_id, azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id] }`, "Granted"},
		{"both branches alike", "true ? azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id : azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id", "", "Granted"},
		{"branches that differ", "var.x ? azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id : azurerm_user_assigned_identity.aks.principal_id", "", "Unknown"},
		{"a local of itself", "local.a", `locals { a = local.a }`, "Unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pulling(lost, registryRef)
			if strings.Contains(c.principal, "var.x") {
				b = pulling([]string{"azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id", "azurerm_user_assigned_identity.aks.principal_id"}, registryRef)
			}
			if c.name == "a local of itself" {
				b = pulling([]string{"local.a"}, registryRef)
			}
			tf := "resource \"azurerm_role_assignment\" \"pull\" {\n  principal_id = " + c.principal + "\n  scope = azurerm_container_registry.acr.id\n}\n" + c.more
			e := load(t, Files{Path: write(t, "plan.json", planOf(t, "", "", append(base(), b)...), "main.tf", tf)})
			if _, got, _ := strings.Cut(outcomes(t, e), " "); got != c.want {
				t.Errorf("%s, want %s; %s", got, c.want, grants(e))
			}
		})
	}
}

// A private endpoint opens a registry that is closed to public networks, whichever of the two the plan writes first.
func TestPlanPrivateEndpoint(t *testing.T) {
	endpoint := block{address: "azurerm_private_endpoint.pe", after: `{"name": "pe", "resource_group_name": "rg", "private_service_connection": [{"is_manual_connection": false}]}`,
		refs: map[string][]string{"private_service_connection.private_connection_resource_id": registryRef}}
	for _, c := range []struct {
		blocks []block
		want   int
	}{{base(), 0}, {append(base(), endpoint), 1}} {
		for i, b := range c.blocks {
			c.blocks[i].after = strings.Replace(b.after, `"name": "acr"`, `"name": "acr", "public_network_access_enabled": false`, 1)
		}
		r := load(t, Files{Path: write(t, "plan.json", planOf(t, "", "", c.blocks...))}).Resources(TypeRegistry)[0]
		got := r.Texts("properties.privateEndpointConnections", "properties.privateLinkServiceConnectionState.status")
		if len(got) != c.want || r.Text("properties.publicNetworkAccess") != "Disabled" {
			t.Errorf("connections %v, want %d; public access %s", got, c.want, r.Text("properties.publicNetworkAccess"))
		}
	}
}

func TestSteps(t *testing.T) {
	for ref, want := range map[string][]step{
		`module.m["a.b"].out[0].x`: {{"module", false}, {"m", false}, {"a.b", true}, {"out", false}, {"0", true}, {"x", false}},
		`a["x\"]"].b`:              {{"a", false}, {`x"]`, true}, {"b", false}},
		`a[`:                       {{"a", false}, {"", true}},
		"":                         nil,
	} {
		if got := stepsOf(ref); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", ref, got, want)
		}
	}
}

// Whatever is in a plan, it is read or refused.
func FuzzPlan(f *testing.F) {
	t := &testing.T{}
	f.Add([]byte(planOf(t, "", "", append(base(), pulling(kubeletRef, registryRef), joining(identityRef, subnetRef))...)))
	f.Add([]byte(`{"format_version": "1.2", "resource_changes": [{"address": "module.m[\"a\"].azurerm_subnet.s", "type": "azurerm_subnet", "name": "s", "module_address": "module.m[\"a\"]", "change": {"actions": ["create"], "after": {}}}],
		"configuration": {"root_module": {"module_calls": {"m": {"expressions": {"v": {"references": ["module.m.o"]}}, "module": {"outputs": {"o": {"expression": {"references": ["var.v"]}}},
		"resources": [{"address": "azurerm_subnet.s", "expressions": {"name": {"references": ["var.v"]}}}]}}}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decodeText(text)
		m, ok := v.(map[string]any)
		if err != nil || !ok || !isPlan(m) {
			return
		}
		in := filesReader{builder: newBuilder(""), path: t.TempDir() + "/plan.json", listed: map[string]bool{}, current: listing{map[string]bool{}, map[azure.PrincipalID]bool{}}}
		if in.take(v) != nil || in.foresee() != nil {
			return
		}
		in.completeRoles()
		in.unseenGrants()
		for _, c := range in.build().Clusters {
			_ = c.References()
		}
	})
}
