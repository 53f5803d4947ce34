package whocan

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Resource types whose rights lead to an identity.
const (
	typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeScaleSet = "Microsoft.Compute/virtualMachineScaleSets"
	typeMachine  = "Microsoft.Compute/virtualMachines"
)

// Rights that change a cluster, which identity it uses included, and the credentials of an identity.
const (
	clusterWrite azure.Action = estate.TypeCluster + "/write"
	federate     azure.Action = typeIdentity + "/federatedIdentityCredentials/write"
)

// way is a right that leads to acting as somebody.
type way struct {
	kind   string
	action azure.Action
	data   bool
	text   string // what it lets one do; {name} stands for the resource
}

// Ways to act as an identity, by where the right is taken (Microsoft Learn: managed identities best practices, workload
// identity federation, AKS run command, access control for cluster configuration files, Azure RBAC for Kubernetes).
var (
	onIdentity = []way{
		{Federate, federate, false, "puts a federated credential on {name}"},
		{Attach, typeIdentity + "/assign/action", false, "attaches {name} to a machine of its own"},
	}
	onNodes = []way{
		{Run, typeScaleSet + "/virtualMachines/runCommand/action", false, "runs commands on the nodes in {name}"},
		{Run, typeScaleSet + "/extensions/write", false, "puts an extension on the nodes in {name}"},
		{Run, typeScaleSet + "/virtualMachines/runCommands/write", false, "runs commands on the nodes in {name}"},
	}
	onCluster = []way{
		{Kube, estate.TypeCluster + "/runCommand/action", false, "runs commands in {name}"},
		{Kube, estate.TypeCluster + "/listClusterAdminCredential/action", false, "takes the administrator's kubeconfig of {name}"},
		{Kube, estate.TypeCluster + "/listClusterUserCredential/action", false, "takes the kubeconfig of {name}, which is an administrator's"},
	}
	inKubernetes = []way{ // where Azure RBAC decides inside the cluster
		{Kube, estate.TypeCluster + "/pods/write", true, "runs pods in {name}"},
		{Kube, estate.TypeCluster + "/pods/exec/action", true, "runs commands in the pods of {name}"},
		{Kube, estate.TypeCluster + "/apps/deployments/write", true, "runs deployments in {name}"},
	}
	onMachine = map[string][]way{
		strings.ToLower(typeMachine): {
			{Run, typeMachine + "/runCommand/action", false, "runs commands on {name}"},
			{Run, typeMachine + "/runCommands/write", false, "runs commands on {name}"},
			{Run, typeMachine + "/extensions/write", false, "puts an extension on {name}"},
		},
		strings.ToLower(typeScaleSet): onNodes,
	}
)

// edges are the steps towards acting as somebody who can.
func (a *Asker) edges(who azure.PrincipalID, q Question) (out []edge) {
	o, _ := a.Object(who)
	name := a.PrincipalName(who)
	owners, _ := a.Owners(who)
	text := "owns application " + name + " and puts a secret on it"
	if a.typeOf(who) == "Group" {
		text = "owns group " + name + " and joins it"
	}
	for _, owner := range owners {
		out = append(out, edge{&Person{Principal: owner}, Hop{Kind: Own, Principal: who, Name: name, Text: text}})
	}
	if id := a.resourceOf(who, o); !id.IsZero() {
		out = append(out, a.alongs(who, a.waysOn(id), id)...)
	}
	for _, c := range a.ActingAs(who) {
		out = append(out, a.throughCluster(who, c, q)...)
	}
	return out
}

// resourceOf is the resource that carries a managed identity, as the directory or a cluster says.
func (a *Asker) resourceOf(who azure.PrincipalID, o estate.Object) azure.ID {
	if !o.Managed.IsZero() {
		return o.Managed
	}
	for _, c := range a.ActingAs(who) {
		for _, id := range a.Identities(c) {
			if id.Principal == who && !id.Resource.IsZero() {
				return id.Resource
			}
		}
	}
	return azure.ID{}
}

// waysOn are the ways that lead to the identity of a resource. Whatever acts as its own identity can be made to by who
// may change it; a cluster's are told by throughCluster.
func (a *Asker) waysOn(id azure.ID) []way {
	switch typ := id.Type(); {
	case strings.EqualFold(typ, typeIdentity):
		return onIdentity
	case strings.EqualFold(typ, estate.TypeCluster):
		return nil
	case onMachine[strings.ToLower(typ)] != nil:
		return onMachine[strings.ToLower(typ)]
	default:
		return []way{{Configure, azure.Action(typ + "/write"), false, "changes {name}, which acts as it"}}
	}
}

// throughCluster are the ways to an identity that lead through a cluster: who runs pods or commands on its nodes gets the
// tokens of what is attached to these; who makes objects in it has its controllers act.
func (a *Asker) throughCluster(who azure.PrincipalID, c *estate.Cluster, q Question) (out []edge) {
	for _, id := range a.Identities(c) {
		switch {
		case id.Principal != who:
		case id.Role == estate.Kubelet || id.Role == estate.AddOn:
			out = append(out, a.alongs(who, onNodes, c.NodeGroup())...)
			out = append(out, a.alongs(who, a.inside(c), c.ID)...)
		case a.operates(c, id, q):
			out = append(out, a.operating(who, c)...)
		}
	}
	return out
}

// inside are the ways to run something in a cluster. Without local accounts nobody gets an administrator's kubeconfig;
// without Entra ID a user's is one.
func (a *Asker) inside(c *estate.Cluster) []way {
	ways := slices.Clone(onCluster[:1])
	if !c.Flag("properties.disableLocalAccounts") {
		ways = append(ways, onCluster[1])
		if !c.Has("properties.aadProfile") {
			ways = append(ways, onCluster[2])
		}
	}
	if c.Flag("properties.aadProfile.enableAzureRBAC") {
		ways = append(ways, inKubernetes...)
	}
	return ways
}

// operates reports whether the controllers of a cluster do what is asked about as the control plane identity: only that
// can be had of them.
func (a *Asker) operates(c *estate.Cluster, id estate.Identity, q Question) bool {
	if q.Action == "" {
		return true
	}
	for _, r := range catalogue.All() {
		if r.Actor != id.Role && !(r.Actor == estate.ControlPlane && id.Role == estate.ServicePrincipal) {
			continue
		}
		for n := range r.Needs(a.Estate, c) {
			if n.Phase == catalogue.Runtime && slices.ContainsFunc(n.Actions, q.Action.Is) {
				return true
			}
		}
	}
	return false
}

func (a *Asker) operating(who azure.PrincipalID, c *estate.Cluster) []edge {
	edges := a.alongs(who, a.inside(c), c.ID)
	for i := range edges {
		h := &edges[i].hop
		h.Kind, h.Text = Operate, h.Text+" and has its controllers act (load balancers, routes, disks)"
	}
	return edges
}

// alongs are the steps of those who have one of the rights on a resource.
func (a *Asker) alongs(who azure.PrincipalID, ways []way, on azure.ID) (out []edge) {
	if on.IsZero() {
		return nil
	}
	for _, w := range ways {
		holders := a.holders(Question{w.action, w.data, on})
		for _, id := range sortedKeys(holders) {
			if id == who {
				continue
			}
			out = append(out, edge{holders[id], Hop{Kind: w.kind, Principal: who, Name: a.PrincipalName(who), Scope: on, Action: w.action, Data: w.data,
				Text: strings.ReplaceAll(w.text, "{name}", a.place(on))}})
		}
	}
	return out
}

// Rights to give roles. PIM's requests give a role for a time, or the right to take one up.
var assigning = []azure.Action{
	"Microsoft.Authorization/roleAssignments/write",
	"Microsoft.Authorization/roleAssignmentScheduleRequests/write",
	"Microsoft.Authorization/roleEligibilityScheduleRequests/write",
}

const widening azure.Action = "Microsoft.Authorization/roleDefinitions/write"

// waysToHold are the steps that give somebody the right itself: a role of their choice, or a custom role that they have.
func (a *Asker) waysToHold(q Question) (out []edge) {
	seen := map[azure.PrincipalID]bool{}
	for _, action := range assigning {
		holders := a.holders(Question{Action: action, Scope: q.Scope})
		for _, id := range sortedKeys(holders) {
			if h, ok := a.assigns(holders[id], action, q); ok && !seen[id] {
				out = append(out, edge{holders[id], h})
			}
			seen[id] = true // what may not be given is not asked for by PIM either
		}
	}
	return append(out, a.widens(q)...)
}

// assigns is the step of giving oneself a role. Under a condition there must be a role that it lets them give, and that
// grants what is asked about.
func (a *Asker) assigns(p *Person, action azure.Action, q Question) (Hop, bool) {
	h := Hop{Kind: Assign, Action: action, Scope: q.Scope, Text: "gives itself a role"}
	if p.Unsure == "" || !slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Hops[len(x.Hops)-1].Condition != "" }) {
		return h, true
	}
	for role := range a.roles() {
		if !role.Grants(q.Action, q.Data) {
			continue
		}
		d := a.Policy.Decide(rbac.Request{Principal: p.Principal, Action: action, Scope: q.Scope, At: a.Now, Attributes: rbac.Attributes{
			Request: map[string]any{
				rbac.AttributeRoleDefinition: role.ID, rbac.AttributePrincipal: p.Principal, rbac.AttributePrincipalType: a.typeOf(p.Principal),
			},
			Resource: map[string]any{}, Principal: map[string]any{}, Environment: map[string]any{},
		}})
		if d.Outcome == rbac.Granted { // nothing of the condition is open any more
			p.Unsure = ""
			h.Role, h.Text = role.Name, fmt.Sprintf("gives itself %s, which the condition allows", role.Name)
			return h, true
		}
	}
	return h, false
}

// widens are the steps of those who may change the definition of a custom role that they have on the scope.
func (a *Asker) widens(q Question) (out []edge) {
	for role := range a.Policy.Roles() {
		if role.BuiltIn || len(role.AssignableScopes) == 0 || q.Data && role.Grants(q.Action, true) || !q.Data && role.Grants(q.Action, false) {
			continue
		}
		able := a.holders(Question{Action: widening, Scope: role.AssignableScopes[0]})
		for _, id := range sortedKeys(able) {
			if !a.everywhere(id, role.AssignableScopes[1:]) || !a.has(id, role.ID, q.Scope) {
				continue
			}
			name := a.RoleName(role.ID)
			out = append(out, edge{able[id], Hop{Kind: Widen, Role: name, Scope: q.Scope, Action: widening, Text: "adds it to the custom role " + name + ", which it has there"}})
		}
	}
	return out
}

// everywhere reports whether somebody may change role definitions on all of some scopes, as Azure wants it.
func (a *Asker) everywhere(p azure.PrincipalID, scopes []azure.ID) bool {
	return !slices.ContainsFunc(scopes, func(s azure.ID) bool {
		return a.Policy.Decide(rbac.Request{Principal: p, Action: widening, Scope: s, At: a.Now}).Outcome != rbac.Granted
	})
}

// has reports whether a role counts for somebody on a scope.
func (a *Asker) has(p azure.PrincipalID, role azure.GUID, scope azure.ID) bool {
	for g := range a.Policy.Permissions(p, scope) {
		if g.Role == role && g.InForce(a.Now) {
			return true
		}
	}
	return false
}
