package whocan

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sub      = azure.SubscriptionID("11111111-1111-1111-1111-111111111111")
	hub      = sub.Join("resourceGroups", "hub")
	rg       = sub.Join("resourceGroups", "rg1")
	nodes    = sub.Join("resourceGroups", "MC_rg1_aks1_westeurope")
	subnet   = hub.Resource(estate.TypeSubnet, "vnet", "snet")
	cluster  = rg.Resource(estate.TypeCluster, "aks1")
	identity = rg.Resource(typeIdentity, "id-aks")
	kubelet  = nodes.Resource(typeIdentity, "aks1-agentpool")
)

const join azure.Action = "Microsoft.Network/virtualNetworks/subnets/join/action"

func person(n int) azure.GUID {
	return azure.MustGUID(fmt.Sprintf("a0000000-0000-0000-0000-%012d", n))
}

// Principals of the tests.
var (
	controlPlane, kubeletID            = person(1), person(2)
	ann, bob, carl, dora, eve, mallory = person(11), person(12), person(13), person(14), person(15), person(16)
	netops, inner                      = person(21), person(22)
	pipeline                           = person(31)
)

// world is an estate in the making, as a saved collection holds it.
type world struct {
	documents, objects []any
	members, owners    [][2]azure.PrincipalID
	people             []azure.PrincipalID
	roles              int
}

type object = map[string]any

func newWorld() *world {
	w := &world{people: []azure.PrincipalID{netops, inner, pipeline}}
	user := func(id azure.GUID) object { return object{"principalId": id.String(), "clientId": id.String()} }
	w.document(cluster, object{"identity": object{"type": "UserAssigned", "userAssignedIdentities": object{identity.String(): user(controlPlane)}},
		"properties": object{
			"nodeResourceGroup": nodes.Name(), "servicePrincipalProfile": object{"clientId": "msi"},
			"agentPoolProfiles": []any{object{"name": "np", "vnetSubnetID": subnet.String()}},
			"identityProfile":   object{"kubeletidentity": object{"resourceId": kubelet.String(), "objectId": kubeletID.String(), "clientId": kubeletID.String()}},
			"networkProfile":    object{"networkPlugin": "azure", "loadBalancerSku": "standard", "outboundType": "loadBalancer"},
		}})
	for id, name := range map[azure.GUID]string{ann: "ann", bob: "bob", carl: "carl", dora: "dora", eve: "eve", mallory: "mallory"} {
		w.object(id, "user", name, nil)
	}
	w.object(netops, "group", "netops", nil)
	w.object(inner, "group", "inner", nil)
	w.object(pipeline, "servicePrincipal", "pipeline", object{"appId": pipeline.String()})
	w.object(controlPlane, "servicePrincipal", "id-aks", object{"alternativeNames": []string{"isExplicit=True", identity.String()}})
	w.object(kubeletID, "servicePrincipal", "aks1-agentpool", object{"alternativeNames": []string{"isExplicit=True", kubelet.String()}})
	return w
}

func (w *world) document(id azure.ID, doc object) {
	doc["id"] = id.String()
	w.documents = append(w.documents, object{"subscription": sub.Subscription(), "document": doc})
}

func (w *world) object(id azure.GUID, kind, name string, more object) {
	o := object{"@odata.type": "#microsoft.graph." + kind, "id": id.String(), "displayName": name}
	for k, v := range more {
		o[k] = v
	}
	w.objects = append(w.objects, o)
}

// grant gives a role by its display name; more are further properties.
func (w *world) grant(t testing.TB, who azure.GUID, role string, scope azure.ID, more object) {
	t.Helper()
	r, ok := rbac.BuiltInRole(role)
	if !ok {
		r = &rbac.Role{ID: azure.MustGUID(role)}
	}
	w.put("roleAssignments", scope, who, r.ID, more)
}

func (w *world) put(typ string, scope azure.ID, who, role azure.GUID, more object) {
	w.roles++
	properties := object{"principalId": who.String(), "scope": scope.String(), "roleDefinitionId": sub.Resource("Microsoft.Authorization/roleDefinitions", role.String()).String()}
	for k, v := range more {
		properties[k] = v
	}
	w.document(scope.Resource("Microsoft.Authorization/"+typ, person(1000+w.roles).String()), object{"properties": properties})
}

func (w *world) role(id azure.GUID, name string, actions ...string) {
	w.document(sub.Resource("Microsoft.Authorization/roleDefinitions", id.String()), object{"properties": object{
		"roleName": name, "type": "CustomRole", "assignableScopes": []string{sub.String()}, "permissions": []any{object{"actions": actions}}}})
}

func (w *world) deny(scope azure.ID, action string, except ...azure.GUID) {
	w.roles++
	exclude := []any{}
	for _, p := range except {
		exclude = append(exclude, object{"id": p.String()})
	}
	w.document(scope.Resource("Microsoft.Authorization/denyAssignments", person(1000+w.roles).String()), object{"properties": object{
		"denyAssignmentName": "no", "scope": scope.String(), "permissions": []any{object{"actions": []string{action}}},
		"principals": []any{object{"id": azure.GUID{}.String()}}, "excludePrincipals": exclude}})
}

func (w *world) load(t testing.TB) *estate.Estate {
	t.Helper()
	text, err := json.Marshal(object{"aksidCollection": 1, "from": "azure", "documents": w.documents, "objects": w.objects, "members": w.members,
		"owners": w.owners, "people": w.people, "listed": []string{sub.Subscription()}, "eligible": []string{sub.Subscription()}, "builtIn": true})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "estate.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := estate.Files{Path: path}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lines are who could, how far away, and how.
func lines(people []Person) (out []string) {
	for _, p := range people {
		for _, path := range p.Paths {
			line := fmt.Sprintf("%d %s: %s", p.Distance, p.Name, path)
			if p.Unsure != "" {
				line += " ?"
			}
			out = append(out, line)
		}
	}
	return out
}

func TestAsk(t *testing.T) {
	custom := azure.MustGUID("c0000000-0000-0000-0000-000000000001")
	const delegated = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {%s}))"
	networkContributor, reader := "4d97b98b-1d4f-4787-a291-c67834d212e7", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	for _, c := range []struct {
		name  string
		build func(*world)
		depth int
		want  []string
	}{
		{"nobody", func(*world) {}, 3, nil},
		{"inherited", func(w *world) { w.grant(t, ann, "Contributor", sub, nil) }, 0, []string{"0 ann: Contributor on the " + sub.Subscription() + " subscription"}},
		{"another scope, alike by name", func(w *world) { w.grant(t, ann, "Contributor", sub.Join("resourceGroups", "hub2"), nil) }, 3, nil},
		{"a data role", func(w *world) { w.grant(t, ann, "Key Vault Administrator", sub, nil) }, 0, nil},
		{"through groups", func(w *world) {
			w.grant(t, netops, "Network Contributor", hub, nil)
			w.members = [][2]azure.PrincipalID{{netops, inner}, {inner, bob}, {inner, netops}}
		}, 0, []string{"0 bob: member of inner → member of netops → Network Contributor on resource group hub"}},
		{"a group of which nothing is known", func(w *world) {
			w.people = nil
			w.grant(t, netops, "Network Contributor", hub, nil)
		}, 0, []string{"0 netops: Network Contributor on resource group hub ?"}},
		{"denied", func(w *world) {
			w.grant(t, ann, "Contributor", hub, nil)
			w.grant(t, bob, "Contributor", hub, nil)
			w.deny(hub, "Microsoft.Network/*", bob)
		}, 0, []string{"0 bob: Contributor on resource group hub"}},
		{"eligible", func(w *world) {
			w.put("roleEligibilityScheduleInstances", hub, carl, azure.MustGUID(networkContributor), object{"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-06-01T00:00:00Z"})
			w.put("roleEligibilityScheduleInstances", sub, bob, azure.MustGUID(networkContributor), object{})
			w.put("roleEligibilityScheduleInstances", hub, dora, azure.MustGUID(networkContributor), object{"startDateTime": "2025-01-01T00:00:00Z", "endDateTime": "2025-06-01T00:00:00Z"})
		}, 0, []string{
			"0 bob: may take up Network Contributor on the " + sub.Subscription() + " subscription",
			"0 carl: may take up Network Contributor on resource group hub until 2026-06-01 00:00",
		}},
		{"eligible beside what it has", func(w *world) {
			w.grant(t, carl, "Network Contributor", hub, nil)
			w.put("roleEligibilityScheduleInstances", sub, carl, azure.MustGUID(networkContributor), object{})
		}, 0, []string{
			"0 carl: Network Contributor on resource group hub",
			"0 carl: may take up Network Contributor on the " + sub.Subscription() + " subscription",
		}},
		{"gives itself a role", func(w *world) { w.grant(t, eve, "User Access Administrator", sub, nil) }, 1,
			[]string{"1 eve: User Access Administrator on the " + sub.Subscription() + " subscription → gives itself a role"}},
		{"not with depth 0", func(w *world) { w.grant(t, eve, "User Access Administrator", sub, nil) }, 0, nil},
		{"gives itself a role under a condition", func(w *world) {
			w.grant(t, eve, "User Access Administrator", hub, object{"condition": fmt.Sprintf(delegated, networkContributor), "conditionVersion": "2.0"})
			w.grant(t, mallory, "User Access Administrator", hub, object{"condition": fmt.Sprintf(delegated, reader), "conditionVersion": "2.0"})
		}, 1, []string{"1 eve: User Access Administrator on resource group hub (under a condition) → gives itself Network Contributor, which the condition allows"}},
		{"widens its own role", func(w *world) {
			w.role(custom, "Ops", "Microsoft.Authorization/roleDefinitions/*", "Microsoft.Network/virtualNetworks/read")
			w.grant(t, dora, custom.String(), sub, nil)
		}, 1, []string{"1 dora: Ops on the " + sub.Subscription() + " subscription → adds it to the custom role Ops, which it has there"}},
		{"owner of a group and of an application", func(w *world) {
			w.grant(t, netops, "Network Contributor", hub, nil)
			w.grant(t, pipeline, "Network Contributor", subnet, nil)
			w.members = [][2]azure.PrincipalID{{netops, bob}}
			w.owners = [][2]azure.PrincipalID{{netops, mallory}, {pipeline, eve}}
		}, 1, []string{
			"0 bob: member of netops → Network Contributor on resource group hub",
			"0 pipeline: Network Contributor on snet (hub)",
			"1 eve: owns application pipeline and puts a secret on it → Network Contributor on snet (hub)",
			"1 mallory: owns group netops and joins it → Network Contributor on resource group hub",
		}},
		{"borrows the identity", func(w *world) {
			w.grant(t, controlPlane, "Network Contributor", subnet, nil)
			w.grant(t, carl, "Managed Identity Operator", identity, nil)
			w.grant(t, dora, "Managed Identity Contributor", rg, nil)
		}, 1, []string{
			"0 id-aks: Network Contributor on snet (hub)",
			"1 carl: Managed Identity Operator on id-aks (rg1) → attaches id-aks (rg1) to a machine of its own → Network Contributor on snet (hub)",
			"1 dora: Managed Identity Contributor on resource group rg1 → puts a federated credential on id-aks (rg1) → Network Contributor on snet (hub)",
		}},
		{"has the controllers act, two steps away", func(w *world) {
			w.grant(t, controlPlane, "Network Contributor", subnet, nil)
			w.grant(t, pipeline, "Azure Kubernetes Service Cluster Admin Role", cluster, nil)
			w.owners = [][2]azure.PrincipalID{{pipeline, eve}}
		}, 2, []string{
			"0 id-aks: Network Contributor on snet (hub)",
			"1 pipeline: Azure Kubernetes Service Cluster Admin Role on aks1 (rg1) → runs commands in aks1 (rg1) and has its controllers act (load balancers, routes, disks) → Network Contributor on snet (hub)",
			"1 pipeline: Azure Kubernetes Service Cluster Admin Role on aks1 (rg1) → takes the administrator's kubeconfig of aks1 (rg1) and has its controllers act (load balancers, routes, disks) → Network Contributor on snet (hub)",
			"2 eve: owns application pipeline and puts a secret on it → Azure Kubernetes Service Cluster Admin Role on aks1 (rg1) → runs commands in aks1 (rg1) and has its controllers act (load balancers, routes, disks) → Network Contributor on snet (hub)",
		}},
		{"runs commands on the nodes", func(w *world) {
			w.grant(t, kubeletID, "Network Contributor", subnet, nil)
			w.grant(t, bob, "Virtual Machine Contributor", nodes, nil)
		}, 1, []string{
			"0 aks1-agentpool: Network Contributor on snet (hub)",
			"1 bob: Virtual Machine Contributor on resource group MC_rg1_aks1_westeurope → runs commands on the nodes in resource group MC_rg1_aks1_westeurope → Network Contributor on snet (hub)",
			"1 bob: Virtual Machine Contributor on resource group MC_rg1_aks1_westeurope → puts an extension on the nodes in resource group MC_rg1_aks1_westeurope → Network Contributor on snet (hub)",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.build(w)
			got := lines(NewAsker(w.load(t), subnet, now, c.depth).Ask(Question{Action: join, Scope: subnet}))
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

// Everyone of whom the engine says that they can is told, and nobody else; each step takes a right that is there.
func TestAskAgreesWithTheEngine(t *testing.T) {
	everyone := []azure.GUID{controlPlane, kubeletID, ann, bob, carl, dora, eve, mallory, netops, inner, pipeline}
	scopes := []azure.ID{sub, hub, rg, nodes, subnet, cluster, identity, kubelet}
	roles := []string{"Owner", "Contributor", "Reader", "Network Contributor", "User Access Administrator", "Managed Identity Operator", "Managed Identity Contributor",
		"Azure Kubernetes Service Cluster Admin Role", "Azure Kubernetes Service RBAC Writer", "Virtual Machine Contributor", "Key Vault Administrator", "AcrPull"}
	questions := []Question{
		{join, false, subnet}, {join, false, hub}, {"Microsoft.Authorization/roleAssignments/write", false, cluster}, {estate.TypeCluster + "/write", false, cluster},
		{"Microsoft.ContainerService/managedClusters/pods/write", true, cluster}, {"Microsoft.Network/publicIPAddresses/write", false, nodes},
	}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(n int) int { return r.IntN(n) }
		w := newWorld()
		for range pick(12) {
			w.grant(t, everyone[pick(len(everyone))], roles[pick(len(roles))], scopes[pick(len(scopes))], nil)
		}
		for range pick(5) {
			w.members = append(w.members, [2]azure.PrincipalID{[]azure.GUID{netops, inner}[pick(2)], everyone[pick(len(everyone))]})
		}
		for range pick(3) {
			w.owners = append(w.owners, [2]azure.PrincipalID{[]azure.GUID{netops, inner, pipeline}[pick(3)], everyone[2+pick(6)]})
		}
		if pick(3) == 0 {
			w.deny(scopes[pick(len(scopes))], []string{"*", "Microsoft.Network/*", "*/write"}[pick(3)], everyone[pick(len(everyone))])
		}
		e := w.load(t)
		for _, q := range questions {
			agrees(t, fmt.Sprintf("seed %d, %s", seed, q.Action), NewAsker(e, subnet, now, 3), q, everyone)
		}
		if t.Failed() {
			return
		}
	}
}

func agrees(t *testing.T, what string, a *Asker, q Question, everyone []azure.GUID) {
	t.Helper()
	can := func(p azure.PrincipalID, action azure.Action, data bool, scope azure.ID) bool {
		return a.Policy.Decide(rbac.Request{Principal: p, Action: action, Data: data, Scope: scope, At: now}).Outcome == rbac.Granted
	}
	told := map[azure.GUID]Person{}
	for _, p := range a.Ask(q) {
		told[p.Principal] = p
		for _, path := range p.Paths {
			who := p.Principal // as whom the next step is taken
			for i, h := range path.Hops {
				switch {
				case h.Kind == Own: // and is then the application, or has what the group has
					if owners, _ := a.Owners(h.Principal); !slices.Contains(owners, who) {
						t.Errorf("%s: %s: %s is no owner", what, path, who)
					}
					who = h.Principal
				case h.Action != "":
					if !can(who, h.Action, h.Data, h.Scope) {
						t.Errorf("%s: %s: step %d is not granted to %s", what, path, i, who)
					}
					if h.Kind == Assign || h.Kind == Widen {
						who = azure.GUID{}
					} else {
						who = h.Principal
					}
				}
			}
			if !who.IsZero() && !can(who, q.Action, q.Data, q.Scope) {
				t.Errorf("%s: %s: it ends with %s, who cannot", what, path, who)
			}
		}
	}
	for _, p := range everyone {
		person, ok := told[p]
		if isGroup := p == netops || p == inner; !isGroup && can(p, q.Action, q.Data, q.Scope) != (ok && person.Distance == 0) {
			t.Errorf("%s: %s: granted %v, told %v at distance %d", what, p, can(p, q.Action, q.Data, q.Scope), ok, person.Distance)
		}
	}
}

func TestControl(t *testing.T) {
	w := newWorld()
	w.grant(t, controlPlane, "Network Contributor", subnet, nil)
	w.grant(t, ann, "Owner", hub, nil)
	w.grant(t, bob, "Azure Kubernetes Service Contributor Role", cluster, nil)
	w.grant(t, carl, "Managed Identity Contributor", identity, nil)
	w.grant(t, dora, "Managed Identity Operator", identity, nil)
	e := w.load(t)
	got := map[string][]string{}
	for _, c := range NewAsker(e, cluster, now, 1).Control(e.Clusters[0]) {
		for _, a := range c.Abilities {
			got[c.Label+" "+a.Kind] = lines(a.People)
		}
	}
	for key, want := range map[string][]string{
		"control plane switch":      {"0 bob: Azure Kubernetes Service Contributor Role on aks1 (rg1)"},
		"control plane grant":       {"0 ann: Owner on resource group hub"},
		"control plane credentials": {"0 carl: Managed Identity Contributor on id-aks (rg1)"},
		"control plane delete":      {"0 carl: Managed Identity Contributor on id-aks (rg1)"},
		"kubelet switch":            {"0 bob: Azure Kubernetes Service Contributor Role on aks1 (rg1)"},
		"kubelet grant":             nil,
	} {
		if !slices.Equal(got[key], want) {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if act := got["control plane act"]; !slices.Contains(act, "0 dora: Managed Identity Operator on id-aks (rg1) → attaches id-aks (rg1) to a machine of its own") {
		t.Errorf("act as the control plane: %q", act)
	}
}

func TestBillable(t *testing.T) {
	w := newWorld()
	w.grant(t, controlPlane, "Contributor", nodes, nil)
	w.grant(t, controlPlane, "Contributor", hub, nil)
	w.grant(t, controlPlane, "Reader", sub, nil)
	w.grant(t, ann, "Owner", sub, nil)
	w.document(hub, object{"tags": object{"Owner": "network team"}})
	e := w.load(t)
	creates := func(r *rbac.Role, _ string) []string {
		if r.Grants("Microsoft.Compute/disks/write", false) {
			return []string{"disks"}
		}
		return nil
	}
	var got []string
	for _, b := range NewAsker(e, cluster, now, 0).Billable(e.Clusters[0], creates) {
		got = append(got, fmt.Sprintf("%s %s %v %v %v own=%v", b.Label, b.Scope.Name(), b.Roles, b.Types, b.Owners, b.Own))
	}
	want := []string{
		"control plane hub [Contributor] [disks] [network team] own=false",
		"control plane MC_rg1_aks1_westeurope [Contributor] [disks] [ann] own=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestIsData(t *testing.T) {
	a := NewAsker(newWorld().load(t), subnet, now, 0)
	if !a.IsData("microsoft.keyvault/vaults/secrets/getsecret/action") || a.IsData(join) {
		t.Error("planes are taken for each other")
	}
}
