package drill

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// The table of operations hangs together.
func TestOperations(t *testing.T) {
	var seen []*Operation
	var groupsSeen []string
	for _, op := range Operations() {
		if op.Name == "" || op.Title == "" || op.Group == "" || op.targets == nil || op.touches == nil || (op.step == nil) == (op.manage == nil) {
			t.Errorf("%q is not complete", op.Name)
		}
		if strings.Trim(op.Name, "abcdefghijklmnopqrstuvwxyz-") != "" || slices.ContainsFunc(seen, func(o *Operation) bool { return o.named(op.Name) }) {
			t.Errorf("name %q is not made of words, or means something else already", op.Name)
		}
		if op.After != "" && !slices.ContainsFunc(seen, func(o *Operation) bool { return o.Name == op.After && o.Group == op.Group }) {
			t.Errorf("%s comes after %s, which is not before it in its group", op.Name, op.After)
		}
		if last := len(groupsSeen) - 1; last < 0 || groupsSeen[last] != op.Group {
			if slices.Contains(groupsSeen, op.Group) {
				t.Errorf("group %s does not stand together", op.Group)
			}
			groupsSeen = append(groupsSeen, op.Group)
		}
		seen = append(seen, op)
	}
}

func TestTouch(t *testing.T) {
	group := azure.MustID("/subscriptions/s/resourceGroups/g")
	all := touch{typ: loadBalancers, verbs: "read write join"}
	here := touch{typ: loadBalancers, verbs: "read", where: group.Contains}
	for _, c := range []struct {
		touch  touch
		action azure.Action
		scope  azure.ID
		want   bool
	}{
		{all, "Microsoft.Network/loadBalancers/write", group, true},
		{all, "microsoft.network/LOADBALANCERS/Join/Action", group, true},
		{all, "Microsoft.Network/loadBalancers/delete", group, false},
		{all, "Microsoft.Network/loadBalancers/backendAddressPools/join/action", group, false},
		{all, "Microsoft.Network/loadBalancer/read", group, false},
		{here, "Microsoft.Network/loadBalancers/read", group.Resource(loadBalancers, "x"), true},
		{here, "Microsoft.Network/loadBalancers/read", azure.MustID("/subscriptions/s/resourceGroups/other"), false},
	} {
		if got := c.touch.covers(c.action, c.scope); got != c.want {
			t.Errorf("%v covers %s on %s: %v", c.touch.verbs, c.action, c.scope, got)
		}
	}
}

// Operations that are asked for bring along those that must work before.
func TestWanted(t *testing.T) {
	for only, want := range map[string]string{
		"disk-detach":              "disk disk-attach disk-detach",
		"second-service-deletion":  "external-service second-service second-service-deletion",
		"route":                    "node-join route-deletion",
		"image-pull,node":          "node-leave image-pull",
		"internal-service":         "internal-service",
		"internal":                 "internal-service internal-service-deletion",
		"static-disk-attach,image": "static-disk-attach image-pull",
	} {
		d := Drill{Only: strings.Split(only, ",")}
		var got []string
		for _, op := range Operations() {
			if d.wanted(op) {
				got = append(got, op.Name)
			}
		}
		if strings.Join(got, " ") != want || d.Check() != nil {
			t.Errorf("%s: %v, want %s; %v", only, got, want, d.Check())
		}
	}
	if err := (Drill{Only: []string{"teleport"}}).Check(); err == nil || !strings.Contains(err.Error(), "internal") {
		t.Errorf("an operation that there is not: %v", err)
	}
}

// clusterDoc is a kubenet cluster in the platform subscription on a subnet of the hub's.
func clusterDoc(properties map[string]any) map[string]any {
	p := map[string]any{
		"nodeResourceGroup": "MC", "networkProfile": map[string]any{"networkPlugin": "kubenet"},
		"agentPoolProfiles": []any{map[string]any{"name": "p", "vnetSubnetID": subnetID.String()}},
		"identityProfile":   map[string]any{"kubeletidentity": map[string]any{"objectId": kubeletOID.String()}},
	}
	for k, v := range properties {
		p[k] = v
	}
	return map[string]any{"id": clusterID.String(), "location": "westeurope", "identity": map[string]any{"type": "SystemAssigned", "principalId": controlOID.String()}, "properties": p}
}

var (
	clusterID  = azure.MustID("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks1")
	nodesID    = azure.MustID("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC")
	hubID      = azure.MustID("/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/hub")
	subnetID   = hubID.Resource(estate.TypeSubnet, "vnet", "snet")
	tableID    = hubID.Resource(estate.TypeRouteTable, "rt")
	controlOID = azure.MustGUID("a0000000-0000-0000-0000-000000000001")
	kubeletOID = azure.MustGUID("a0000000-0000-0000-0000-000000000002")
)

// staged is a scene without a local Azure.
func staged(properties map[string]any, changes ...rbac.Change) *scene {
	c := &estate.Cluster{Resource: estate.Resource{ID: clusterID, Doc: clusterDoc(properties)}}
	for r := range rbac.BuiltInRoles() {
		changes = append(changes, rbac.PutRole(*r))
	}
	e := (&estate.Estate{Clusters: []*estate.Cluster{c}}).WithPolicy(rbac.New(changes...))
	s := &scene{Cluster: c, estate: e, table: tableID}
	s.control, _ = e.Actor(c, estate.ControlPlane, "")
	s.kubelet, _ = e.Actor(c, estate.Kubelet, "")
	s.set = doc{"id": nodesID.Resource(scaleSets, "vmss").String(), "name": "vmss", "properties": doc{"virtualMachineProfile": doc{"networkProfile": doc{"networkInterfaceConfigurations": []any{
		doc{"properties": doc{"networkSecurityGroup": doc{"id": nodesID.Resource(securityGroups, "nsg").String()},
			"ipConfigurations": []any{doc{"properties": doc{"subnet": doc{"id": subnetID.String()}}}}}}}}}}}
	return s
}

func grantOf(role string, to azure.PrincipalID, scope azure.ID) rbac.Change {
	return rbac.AddGrant(rbac.Grant{Role: roleOf(role), Principal: to, Scope: scope})
}

func operationNamed(t *testing.T, name string) *Operation {
	t.Helper()
	for _, op := range Operations() {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("there is no operation %s", name)
	return nil
}

func TestPredict(t *testing.T) {
	nodes := grantOf("Contributor", controlOID, nodesID)
	deny := rbac.PutDeny(rbac.Deny{Name: "no", Scope: nodesID, Everyone: true, Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Network/loadBalancers/write"}}}})
	notBelow := rbac.PutDeny(rbac.Deny{Name: "no", Scope: nodesID, Everyone: true, NotChildren: true, Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Network/loadBalancers/write"}}}})
	for _, c := range []struct {
		name, operation string
		properties      map[string]any
		changes         []rbac.Change
		want            Outcome
		missing         string // actions, short
	}{
		{"AKS's own grant", "external-service", nil, []rbac.Change{nodes}, Works, ""},
		{"nothing", "disk", nil, nil, Refused, "disks/read disks/write"},
		{"no right on the subnet", "internal-service", nil, []rbac.Change{nodes}, Refused, "subnets/read subnets/join/action"},
		{"a right on the subnet", "internal-service", nil, []rbac.Change{nodes, grantOf("Network Contributor", controlOID, subnetID)}, Works, ""},
		{"without a load balancer of AKS's, nodes join the provider's", "external-service", map[string]any{"networkProfile": map[string]any{"outboundType": "userDefinedRouting"}},
			[]rbac.Change{nodes}, Refused, "subnets/join/action"},
		{"denied", "external-service", nil, []rbac.Change{nodes, deny}, Refused, "loadBalancers/write"},
		{"denied on the group alone", "external-service", nil, []rbac.Change{nodes, notBelow}, Works, ""},
		{"roles could not be read", "disk", nil, []rbac.Change{rbac.MarkUnread(nodesID, "403")}, Unknown, ""},
	} {
		got := staged(c.properties, c.changes...).predict(operationNamed(t, c.operation), azure.ID{}, "")
		var missing []string
		for _, l := range got.Missing {
			short := strings.Split(string(l.Action), "/")
			missing = append(missing, strings.TrimPrefix(strings.Join(short[max(1, len(short)-3):], "/"), "virtualNetworks/"))
		}
		if got.Outcome != c.want || strings.Join(missing, " ") != c.missing {
			t.Errorf("%s: %s, missing %v, want %s %s", c.name, got.Outcome, missing, c.want, c.missing)
		}
	}
}

// An internal service that names a subnet takes rights there; one that names the nodes' own, or by a path, is as any other.
func TestPredictInSubnet(t *testing.T) {
	kube, err := estate.NewKube(inSubnet("frontends"), inSubnet("frontends"), inSubnet(subnetID.Name()), inSubnet("a/b"), inSubnet(""))
	if err != nil {
		t.Fatal(err)
	}
	frontends := subnetID.Parent().Join("subnets", "frontends")
	op := operationNamed(t, "subnet-service")
	for _, c := range []struct {
		role    string // on that subnet
		missing []azure.Action
	}{
		{"Network Contributor", nil},
		{"Reader", []azure.Action{"Microsoft.Network/virtualNetworks/subnets/join/action"}},
	} {
		s := staged(nil, grantOf("Contributor", controlOID, nodesID), grantOf("Network Contributor", controlOID, subnetID), grantOf(c.role, controlOID, frontends))
		s.estate.AddKube(s.Cluster, kube)
		if s.targets, err = readTargets(t.Context(), nil, s.estate, s.Cluster); err != nil {
			t.Fatal(err)
		}
		all := op.targets(s)
		if len(all) != 1 || !all[0].Equal(frontends) {
			t.Fatalf("subnets: %v", all)
		}
		var missing []azure.Action
		for _, l := range s.predict(op, all[0], "").Missing {
			missing = append(missing, l.Action)
		}
		if !slices.Equal(missing, c.missing) {
			t.Errorf("with %s: %v", c.role, missing)
		}
	}
}

func inSubnet(name string) map[string]any {
	return doc{"kind": "Service", "metadata": doc{"name": "s", "annotations": doc{annotationInternal: "true", annotationSubnet: name}}, "spec": doc{"type": "LoadBalancer"}}
}

// What is taken out of the catalogue is not predicted.
func TestPredictWithout(t *testing.T) {
	s := staged(nil, grantOf("Contributor", controlOID, nodesID), grantOf("Reader", controlOID, subnetID))
	op := operationNamed(t, "internal-service")
	if p := s.predict(op, azure.ID{}, ""); p.Outcome != Refused || len(p.Missing) != 1 {
		t.Fatalf("%+v", p)
	}
	if p := s.predict(op, azure.ID{}, "microsoft.network/virtualnetworks/subnets/JOIN/action"); p.Outcome != Works {
		t.Errorf("%+v", p)
	}
}

// azure.json names the network of the first scale set, wherever it is.
func TestConfig(t *testing.T) {
	s := staged(nil)
	s.operator = &operator{}
	s.operator.Azure = nowhere()
	got := s.config()
	for k, want := range map[string]any{
		"resourceGroup": "MC", "vnetName": "vnet", "vnetResourceGroup": "hub", "subnetName": "snet", "securityGroupName": "nsg", "primaryScaleSetName": "vmss",
		"routeTableName": "rt", "routeTableResourceGroup": "hub", "subscriptionId": "11111111-1111-1111-1111-111111111111", "useManagedIdentityExtension": true, "location": "westeurope",
	} {
		if got[k] != want {
			t.Errorf("%s is %v, want %v", k, got[k], want)
		}
	}
	if _, ok := got["userAssignedIdentityID"]; ok {
		t.Error("a system-assigned identity is named")
	}
	moved := s.elsewhere()
	if len(moved) != 2 || moved[strings.Replace(tableID.String(), "22222222-2222-2222-2222-222222222222", "11111111-1111-1111-1111-111111111111", 1)] != tableID.String() {
		t.Errorf("elsewhere %v", moved)
	}
}
