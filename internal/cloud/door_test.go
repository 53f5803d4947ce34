package cloud_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
)

// TestTokens shows every kind of bad token to Resource Manager: each is refused and nothing is written.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	victim := w.application("victim")
	w.grant(victim.id, "Owner", w.platform)
	good := w.operator.token
	parts := strings.Split(good, ".")
	graph := w.login2(t, "https://graph.microsoft.com/")
	group := func(n int) string { return fmt.Sprintf("%s/resourceGroups/rg-token-%d", w.platform, n) }
	cases := []struct{ name, token, code string }{
		{"none", "", "AuthenticationFailed"},
		{"garbage", "abc", "InvalidAuthenticationToken"},
		{"three parts", "a.b.c", "InvalidAuthenticationToken"},
		{"tampered payload", parts[0] + "." + parts[1][:len(parts[1])-3] + "AAA." + parts[2], "InvalidAuthenticationToken"},
		{"no signature", parts[0] + "." + parts[1] + ".", "InvalidAuthenticationToken"},
		{"alg none", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".", "InvalidAuthenticationToken"},
		{"audience of Graph", graph, "InvalidAuthenticationTokenAudience"},
	}
	for i, c := range cases {
		u := &user{w: w, token: c.token}
		r := u.put(group(i), obj{"location": "westeurope"})
		r.refused(401, c.code)
		if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer authorization_uri=") {
			t.Errorf("%s: challenge is %q", c.name, r.header.Get("WWW-Authenticate"))
		}
	}
	w.operator.do("DELETE", "/v1.0/servicePrincipals/"+victim.id, nil).ok(204)
	victim.put(group(90), obj{"location": "westeurope"}).refused(401, "InvalidAuthenticationToken")
	w.clock.Add(2 * time.Hour)
	w.operator.put(group(91), obj{"location": "westeurope"}).refused(401, "ExpiredAuthenticationToken")
	w.clock.Add(-2 * time.Hour)
	if names := w.operator.get(w.platform + "/resourceGroups").ok(200).list("name"); len(names) != 0 {
		t.Errorf("groups were written: %v", names)
	}
	if events := w.operator.events(w.platform, "resourceGroupName eq 'rg-token-0'"); len(events.list("caller")) != 0 {
		t.Errorf("unauthenticated calls are in the activity log: %s", events.raw)
	}
}

// TestTokenOfOtherName: az gets its token for where the local Azure listens; a script shows it under ARM's public name.
func TestTokenOfOtherName(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{w.operator.token, w.login2(t, "https://management.azure.com/")} {
		for _, name := range []string{host, "management.azure.com"} {
			r := httptest.NewRequest("GET", "https://"+name+w.platform+"/resourceGroups?api-version=2021-04-01", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w.serve(r).ok(200)
		}
	}
	for _, token := range []string{w.login2(t, "https://graph.microsoft.com/"), w.login2(t, "https://vault.azure.net")} {
		r := httptest.NewRequest("GET", "https://management.azure.com"+w.platform+"/resourceGroups?api-version=2021-04-01", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w.serve(r).refused(401, "InvalidAuthenticationTokenAudience")
	}
}

// login2 is a token of the operator for another audience.
func (w *world) login2(t *testing.T, audience string) string {
	t.Helper()
	key, app := w.secret()
	form := "grant_type=client_credentials&client_id=" + app + "&client_secret=" + key + "&resource=" + audience
	r := httptest.NewRequest("POST", "https://"+host+"/"+w.tenant+"/oauth2/token", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.serve(r).ok(200).str("access_token")
}

// events asks for the activity log of a subscription.
func (u *user) events(sub, filter string) reply {
	u.w.Helper()
	f := "eventTimestamp ge " + u.w.clock.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000")
	if filter != "" {
		f += " and " + filter
	}
	return u.get(sub + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=" + strings.ReplaceAll(f, " ", "%20")).ok(200)
}

// TestParsing is what ARM says of requests that are wrong before any right is asked for.
func TestParsing(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	op := w.operator
	net := rg + "/providers/Microsoft.Network"
	op.do("GET", w.platform+"?api-version=", nil).refused(400, "MissingApiVersionParameter")
	op.do("GET", rg+"?api-version=1999-01-01", nil).refused(400, "InvalidApiVersionParameter", "1999-01-01")
	op.do("GET", net+"/virtualNetworks/v?api-version=2010-01-01", nil).refused(400, "NoRegisteredProviderFound", "2010-01-01", "virtualNetworks")
	op.do("GET", net+"/virtualNetworks/v?api-version=soon", nil).refused(400, "NoRegisteredProviderFound")
	op.get("/subscriptions/nonsense/resourceGroups/x").refused(400, "InvalidSubscriptionId")
	op.get("/subscriptions/11111111-1111-1111-1111-111111111111").refused(404, "SubscriptionNotFound")
	op.get(rg+"/providers/Microsoft.Nothing/things/x").refused(404, "InvalidResourceNamespace", "Microsoft.Nothing")
	op.get(net+"/things/x").refused(404, "InvalidResourceType", "things")
	op.get(w.platform+"/resourceGroups/none").refused(404, "ResourceGroupNotFound", "none")
	op.get(w.platform+"/resourceGroups/none/providers/Microsoft.Network/virtualNetworks/v").refused(404, "ResourceGroupNotFound")
	op.get(net+"/virtualNetworks/v").refused(404, "ResourceNotFound", "Microsoft.Network/virtualNetworks/v")
	op.put(net+"/virtualNetworks/v/subnets/s", obj{}).refused(404, "ParentResourceNotFound")
	op.put(net+"/routeTables/r", obj{}).refused(400, "LocationRequired")
	op.put(net+"/routeTables/r", obj{"location": "mars"}).refused(400, "LocationNotAvailableForResourceType", "mars")
	op.put(net+"/routeTables/r", "{").refused(400, "InvalidRequestContent")
	op.put(net+"/routeTables/r", "[]").refused(400, "InvalidRequestContent")
	op.put(net+"/routeTables/r", strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100)).refused(400, "InvalidRequestContent", "nested")
	op.put(net+"/routeTables/r", `{"location":"westeurope","x":"`+strings.Repeat("a", 5<<20)+`"}`).refused(413, "RequestContentTooLarge")
	op.put(net+"/routeTables/r", obj{"location": "West Europe"}).ok(201)
	op.put(net+"/routeTables/r", obj{"location": "northeurope"}).refused(409, "InvalidResourceLocation")
	op.do("POST", net+"/routeTables/r/dance", nil).refused(405, "HttpMethodNotAllowed")
	op.put(w.platform+"/resourceGroups/bad*name", obj{"location": "westeurope"}).refused(400, "InvalidResourceGroup")
	op.do("HEAD", rg, nil).ok(204)
	op.do("HEAD", w.platform+"/resourceGroups/none", nil).ok(404)
	op.delete(w.platform+"/resourceGroups/none").refused(404, "ResourceGroupNotFound")
	op.delete(net + "/routeTables/none").ok(204)
}

// TestRefusals is who may do what: nobody without a role, not even a read; a refusal comes before "not found".
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	rg1, _ := w.group(w.platform, "rg1"), w.group(w.platform, "rg10")
	nobody := w.application("nobody")
	nobody.get(rg1).refused(403, "AuthorizationFailed", "'Microsoft.Resources/subscriptions/resourceGroups/read' over scope '"+rg1+"'", nobody.id)
	nobody.get(rg1+"/providers/Microsoft.Network/virtualNetworks").refused(403, "AuthorizationFailed", "'Microsoft.Network/virtualNetworks/read'", rg1+"/providers/Microsoft.Network'")
	nobody.get(rg1+"/providers/Microsoft.Network/virtualNetworks/none").refused(403, "AuthorizationFailed")
	nobody.put(rg1+"/providers/Microsoft.Network/routeTables/r", obj{"location": "westeurope"}).refused(403, "AuthorizationFailed", "'Microsoft.Network/routeTables/write'")
	nobody.delete(rg1).refused(403, "AuthorizationFailed", "'Microsoft.Resources/subscriptions/resourceGroups/delete'")
	if got := nobody.get("/subscriptions").ok(200).list("id"); len(got) != 0 {
		t.Errorf("who has no role sees subscriptions: %v", got)
	}
	nobody.get(w.platform+"/resourceGroups").refused(403, "AuthorizationFailed", "'Microsoft.Resources/subscriptions/resourceGroups/read' over scope '"+w.platform+"'")
	w.grant(nobody.id, "Reader", rg1)
	nobody.get(rg1).ok(200)
	nobody.get(strings.Replace(rg1, "/rg1", "/rg10", 1)).refused(403, "AuthorizationFailed")
	nobody.get(strings.ToUpper(rg1)).ok(200)
	nobody.put(rg1, obj{"location": "westeurope"}).refused(403, "AuthorizationFailed")
	if got := nobody.get("/subscriptions").ok(200).list("id"); !slices.Equal(got, []string{w.platform}) {
		t.Errorf("subscriptions are %v", got)
	}
	if got := nobody.get(w.platform + "/resourceGroups").ok(200).list("name"); !slices.Equal(got, []string{"rg1"}) {
		t.Errorf("groups are %v", got)
	}
	failed := w.operator.events(w.platform, "resourceGroupName eq 'rg1'")
	if got := failed.list("authorization.action"); !slices.Contains(got, "Microsoft.Network/routeTables/write") || slices.Contains(got, "Microsoft.Network/virtualNetworks/read") {
		t.Errorf("the activity log has writes, refused ones too, and no reads: %v", got)
	}
	if at := slices.Index(failed.list("authorization.action"), "Microsoft.Network/routeTables/write"); failed.list("caller")[at] != nobody.id || failed.list("status.value")[at] != "Failed" {
		t.Errorf("the refused write's event: %s", failed.raw)
	}
}

// TestRoleAssignments goes through the semantics of writing role assignments case by case.
func TestRoleAssignments(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	_, principal, client := w.identity(rg, "id1")
	_, other, _ := w.identity(rg, "id2")
	at := func(scope, name string) string {
		return scope + "/providers/Microsoft.Authorization/roleAssignments/" + name
	}
	body := func(principal, role string, extra ...string) obj {
		p := obj{"principalId": principal, "roleDefinitionId": w.platform + "/providers/Microsoft.Authorization/roleDefinitions/" + roles[role]}
		for i := 0; i+1 < len(extra); i += 2 {
			p[extra[i]] = extra[i+1]
		}
		return obj{"properties": p}
	}
	name := guid()
	made := op.put(at(rg, name), body(principal, "Reader")).ok(201)
	if made.str("properties.principalType") != "ServicePrincipal" || made.at("properties.createdBy") != nil || made.str("properties.scope") != rg {
		t.Errorf("the answer to the PUT is %s", made.raw)
	}
	if got := op.get(at(rg, name)).ok(200).str("properties.createdBy"); got != op.id {
		t.Errorf("createdBy is %q", got)
	}
	op.put(at(rg, name), body(principal, "Reader")).ok(201)
	op.put(at(rg, name), body(other, "Reader")).refused(400, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
	op.put(at(w.platform, name), body(principal, "Reader")).refused(400, "RoleAssignmentUpdateNotPermitted")
	op.put(at(rg, guid()), body(principal, "Reader")).refused(409, "RoleAssignmentExists", "The role assignment already exists.")
	op.put(at(rg, guid()), body("11111111-1111-1111-1111-111111111111", "Reader")).refused(400, "PrincipalNotFound", "Principal 11111111111111111111111111111111 does not exist in the directory "+w.tenant)
	op.put(at(rg, guid()), body(client, "Reader")).refused(400, "PrincipalNotFound")
	op.put(at(rg, guid()), body(client, "Reader", "principalType", "ServicePrincipal")).ok(201)
	op.put(at(rg, guid()), body(principal, "AcrPull", "principalType", "User")).refused(400, "UnmatchedPrincipalType", "different from specified PrinciaplType 'User'")
	op.put(at(rg, guid()), body("x", "Reader")).refused(400, "InvalidPrincipalId")
	op.put(at(rg, "not-a-guid"), body(principal, "AcrPull")).refused(400, "InvalidRoleAssignmentId")
	op.put(at(rg, guid()), obj{"properties": obj{"principalId": principal, "roleDefinitionId": "/x/" + guid()}}).refused(404, "RoleDefinitionDoesNotExist")
	op.put(at(rg+"/providers/Microsoft.Network/virtualNetworks/none", guid()), body(principal, "Reader")).refused(404, "ResourceNotFound")
	op.put(at(w.platform+"/resourceGroups/none", guid()), body(principal, "Reader")).refused(404, "ResourceGroupNotFound")
	op.delete(at(rg, guid())).ok(204)

	reader := w.application("reader")
	w.grant(reader.id, "Contributor", rg)
	reader.put(at(rg, guid()), body(other, "Reader")).refused(403, "AuthorizationFailed", "does not have authorization or an ABAC condition not fulfilled to perform action 'Microsoft.Authorization/roleAssignments/write'")

	list := func(scope, filter string) []string {
		return op.get(scope + "/providers/Microsoft.Authorization/roleAssignments?$filter=" + strings.ReplaceAll(filter, " ", "%20")).ok(200).list("properties.scope")
	}
	if got := list(rg, "atScope()"); !slices.Contains(got, rg) || !slices.Contains(got, w.platform) {
		t.Errorf("atScope() yields the scope and above: %v", got)
	}
	if got := list(w.platform, "atScope()"); slices.Contains(got, rg) {
		t.Errorf("atScope() yields nothing below: %v", got)
	}
	if got := list(w.platform, "principalId eq '"+principal+"'"); !slices.Equal(got, []string{rg}) {
		t.Errorf("principalId eq: %v", got)
	}
	op.get(rg+"/providers/Microsoft.Authorization/roleAssignments?$filter=color%20eq%20'red'").refused(400, "UnsupportedQuery")

	op.delete(at(rg, name)).ok(200)
	w.grant(principal, "Reader", rg)
}

// TestCustomRoles makes, uses, changes and deletes a custom role.
func TestCustomRoles(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	role := guid()
	path := w.platform + "/providers/Microsoft.Authorization/roleDefinitions/" + role
	def := func(actions ...string) obj {
		return obj{"properties": obj{"roleName": "Route reader", "type": "CustomRole", "assignableScopes": []string{w.platform},
			"permissions": []obj{{"actions": actions, "notActions": []string{}}}}}
	}
	op.put(path, def("Microsoft.Network/routeTables/fly")).refused(400, "InvalidActionOrNotAction", "'Microsoft.Network/routeTables/fly' does not match")
	op.put(path, obj{"properties": obj{"roleName": "x", "permissions": []obj{}}}).refused(400, "InvalidAssignableScopes")
	op.put(path, def("Microsoft.Network/routeTables/read")).ok(201)
	op.put(w.platform+"/providers/Microsoft.Authorization/roleDefinitions/"+guid(), def("*/read")).refused(409, "RoleDefinitionWithSameNameExists")
	roles["Route reader"] = role
	w.grant(u.id, "Route reader", rg)
	rt := rg + "/providers/Microsoft.Network/routeTables/r"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	u.get(rt).ok(200)
	u.delete(rt).refused(403, "AuthorizationFailed")
	op.delete(path).refused(400, "RoleDefinitionHasAssignments")
	op.put(path, def("Microsoft.Network/routeTables/*")).ok(201)
	u.delete(rt).ok(202)
	found := op.get(rg + "/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'route%20READER'").ok(200)
	if got := found.list("id"); !slices.Equal(got, []string{w.platform + "/providers/Microsoft.Authorization/roleDefinitions/" + role}) {
		t.Errorf("the role's id is %v", got)
	}
	outsider := w.application("outsider")
	w.grant(outsider.id, "User Access Administrator", rg)
	outsider.put(w.platform+"/providers/Microsoft.Authorization/roleDefinitions/"+guid(), def("*/read")).refused(403, "AuthorizationFailed")
	if n := len(op.get(w.platform + "/providers/Microsoft.Authorization/roleDefinitions").ok(200).list("id")); n != 929 {
		t.Errorf("%d role definitions, want the 928 built-in ones and ours", n)
	}
}

// TestPropagation lets a new and a removed assignment count only after the propagation time.
func TestPropagation(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Propagation = 30 * time.Second })
	w.clock.Add(31 * time.Second) // the operator's own
	rg := w.group(w.platform, "rg1")
	u := w.application("u")
	path := w.grant(u.id, "Reader", rg)
	u.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(29 * time.Second)
	u.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(2 * time.Second)
	u.get(rg).ok(200)
	w.operator.delete(path).ok(200)
	w.operator.get(path).ok(404)
	u.get(rg).ok(200)
	w.clock.Add(31 * time.Second)
	u.get(rg).refused(403, "AuthorizationFailed")
}

// TestMembershipDelays lets a group's member count after one time, a managed identity after another, and a removed one until
// then, while the directory knows at once.
func TestMembershipDelays(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Membership, c.TokenCache = time.Minute, 24*time.Hour })
	rg := w.group(w.platform, "rg1")
	u := w.application("u")
	id, principal, _ := w.identity(rg, "id1")
	m := w.machine(id)
	team := w.operator.do("POST", "/v1.0/groups", obj{"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
	w.grant(team, "Reader", rg)
	members := "/v1.0/groups/" + team + "/members"
	add := func(member string) reply {
		return w.operator.do("POST", members+"/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + member})
	}
	listed := func(want ...string) {
		t.Helper()
		got := w.operator.do("GET", members, nil).ok(200).list("id")
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
		groups := w.operator.do("POST", "/v1.0/servicePrincipals/"+u.id+"/getMemberGroups", obj{"securityEnabledOnly": false}).ok(200).body["value"].([]any)
		if slices.Contains(want, u.id) != slices.Contains(groups, any(team)) {
			t.Errorf("the groups of u are %v", groups)
		}
	}
	add(u.id).ok(204)
	add(principal).ok(204)
	both := []string{u.id, principal}
	slices.Sort(both)
	listed(both...)
	u.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(61 * time.Second)
	u.get(rg).ok(200)
	m.get(rg).refused(403, "AuthorizationFailed")
	direct := w.grant(principal, "Reader", rg) // a role of its own counts at once
	m.get(rg).ok(200)
	w.operator.delete(direct).ok(200)
	m.get(rg).refused(403, "AuthorizationFailed")

	w.operator.do("DELETE", members+"/"+u.id+"/$ref", nil).ok(204)
	w.operator.do("DELETE", members+"/"+u.id+"/$ref", nil).ok(404)
	listed(principal)
	u.get(rg).ok(200)
	add(u.id).ok(204) // back in time
	w.clock.Add(61 * time.Second)
	u.get(rg).ok(200)
	w.operator.do("DELETE", members+"/"+u.id+"/$ref", nil).ok(204)
	w.clock.Add(61 * time.Second)
	u.get(rg).refused(403, "AuthorizationFailed")
	w.later(24 * time.Hour)
	w.machine(id).get(rg).ok(200)
	add(u.id).ok(204)
	listed(both...)
}

// TestNestedMembershipDelays lets a managed identity wait for its token, whichever of the memberships that lead to a role changes.
func TestNestedMembershipDelays(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.TokenCache = 24 * time.Hour })
	rg := w.group(w.platform, "rg1")
	u := w.application("u")
	id, principal, _ := w.identity(rg, "id1")
	m := w.machine(id)
	team := func(name string) string {
		return w.operator.do("POST", "/v1.0/groups", obj{"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
	}
	inner, outer := team("inner"), team("outer")
	w.grant(outer, "Reader", rg)
	add := func(group, member string) {
		w.operator.do("POST", "/v1.0/groups/"+group+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + member}).ok(204)
	}
	day := func() {
		w.clock.Add(24*time.Hour + time.Second)
		w.operator.renew()
		w.refresh(u)
		m = w.machine(id)
	}
	add(inner, u.id)
	add(inner, principal)
	day()
	m.get(rg).refused(403, "AuthorizationFailed")
	add(outer, inner)
	u.get(rg).ok(200) // at once: --propagation-groups is not set
	m.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(23 * time.Hour)
	m = w.machine(id)
	m.get(rg).refused(403, "AuthorizationFailed") // a new token has the old groups: it is in the cache
	day()
	m.get(rg).ok(200)
	w.operator.do("DELETE", "/v1.0/groups/"+outer+"/members/"+inner+"/$ref", nil).ok(204)
	u.get(rg).refused(403, "AuthorizationFailed")
	m.get(rg).ok(200)
	day()
	m.get(rg).refused(403, "AuthorizationFailed")
}

// TestRebuild recreates clusters: a system-assigned identity is another one afterwards, a user-assigned one stays.
func TestRebuild(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	cluster := rg + "/providers/Microsoft.ContainerService/managedClusters/c1"
	body := obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"dnsPrefix": "c1", "agentPoolProfiles": []obj{pool(nil)}}}
	first := op.run("PUT", cluster, body).ok(200)
	cp, kubelet := first.str("identity.principalId"), first.str("properties.identityProfile.kubeletidentity.objectId")
	orphan := w.grant(cp, "Reader", rg)
	op.do("GET", "/v1.0/servicePrincipals/"+cp, nil).ok(200)
	nodes := w.platform + "/resourceGroups/MC_rg1_c1_westeurope"
	op.get(nodes).ok(200)
	op.put(rg+"/providers/Microsoft.ContainerService/managedClusters/c2", obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"},
		"properties": obj{"nodeResourceGroup": "MC_rg1_c1_westeurope", "agentPoolProfiles": []obj{pool(nil)}}}).refused(400, "NodeResourceGroupAlreadyExists")

	if r := op.run("DELETE", cluster, nil); r.status > 204 {
		t.Fatalf("delete: %d %s", r.status, r.raw)
	}
	op.get(cluster).refused(404, "ResourceNotFound")
	op.get(nodes).refused(404, "ResourceGroupNotFound")
	for _, id := range []string{cp, kubelet} {
		op.do("GET", "/v1.0/servicePrincipals/"+id, nil).ok(404)
	}
	op.get(orphan).ok(200)
	second := op.run("PUT", cluster, body).ok(200)
	if second.str("identity.principalId") == cp || second.str("properties.identityProfile.kubeletidentity.objectId") == kubelet {
		t.Error("a recreated cluster has the identities of the one before")
	}
}

// TestKubeletIdentity brings a kubelet identity, which the control plane must be allowed to assign.
func TestKubeletIdentity(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	id, principal, _ := w.identity(rg, "id1")
	kubelet, _, _ := w.identity(rg, "kubelet")
	cluster := rg + "/providers/Microsoft.ContainerService/managedClusters/c1"
	body := func(identity obj) obj {
		return obj{"location": "westeurope", "identity": identity, "properties": obj{"agentPoolProfiles": []obj{pool(nil)},
			"identityProfile": obj{"kubeletidentity": obj{"resourceId": kubelet}}}}
	}
	user := obj{"type": "UserAssigned", "userAssignedIdentities": obj{id: obj{}}}
	op.put(cluster, body(obj{"type": "SystemAssigned"})).refused(400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster")
	op.put(cluster, body(user)).refused(400, "CustomKubeletIdentityMissingPermissionError")
	w.grant(principal, "Managed Identity Operator", kubelet)
	made := op.run("PUT", cluster, body(user)).ok(200)
	if got := made.str("properties.identityProfile.kubeletidentity.resourceId"); !strings.EqualFold(got, kubelet) {
		t.Errorf("the kubelet identity is %q", got)
	}
	creator := w.application("creator")
	w.grant(creator.id, "Contributor", rg)
	op.run("DELETE", cluster, nil)
	creator.run("PUT", cluster, body(user)).ok(200)
	limited := w.application("limited")
	rg2 := w.group(w.platform, "rg2")
	w.grant(limited.id, "Contributor", rg2)
	limited.put(rg2+"/providers/Microsoft.ContainerService/managedClusters/c2", body(user)).refused(403, "LinkedAuthorizationFailed",
		"'Microsoft.ContainerService/managedClusters/write'", "'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s)")
}

// TestShapes creates every common shape of cluster: each comes up with AKS's one grant and what belongs to it.
func TestShapes(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v1"
	rt := rg + "/providers/Microsoft.Network/routeTables/rt"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	op.put(vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}},
		"subnets": []obj{{"name": "s1", "properties": obj{"addressPrefix": "10.0.0.0/24"}}, {"name": "s2", "properties": obj{"addressPrefix": "10.0.1.0/24"}},
			{"name": "s3", "properties": obj{"addressPrefix": "10.0.2.0/24", "routeTable": obj{"id": rt}}}}}}).ok(201)
	ip := rg + "/providers/Microsoft.Network/publicIPAddresses/out"
	op.put(ip, obj{"location": "westeurope", "sku": obj{"name": "Standard"}}).ok(201)
	shapes := map[string]struct {
		network obj
		pool    obj
		has     []string // types in the node resource group
		hasNot  []string
	}{
		"kubenet":  {obj{"networkPlugin": "kubenet"}, nil, []string{"loadBalancers", "routeTables", "virtualNetworks", "networkSecurityGroups"}, nil},
		"cni":      {obj{"networkPlugin": "azure"}, nil, []string{"loadBalancers", "virtualNetworks"}, []string{"routeTables"}},
		"overlay":  {obj{"networkPlugin": "azure", "networkPluginMode": "overlay"}, obj{"vnetSubnetID": vnet + "/subnets/s1"}, []string{"loadBalancers"}, []string{"virtualNetworks", "routeTables"}},
		"byo":      {obj{"networkPlugin": "kubenet"}, obj{"vnetSubnetID": vnet + "/subnets/s2"}, []string{"routeTables"}, []string{"virtualNetworks"}},
		"udr":      {obj{"networkPlugin": "azure", "outboundType": "userDefinedRouting"}, obj{"vnetSubnetID": vnet + "/subnets/s3"}, nil, []string{"loadBalancers"}},
		"outbound": {obj{"networkPlugin": "azure", "loadBalancerProfile": obj{"outboundIPs": obj{"publicIPs": []obj{{"id": ip}}}}}, nil, []string{"loadBalancers"}, []string{"publicIPAddresses"}},
	}
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			cluster := rg + "/providers/Microsoft.ContainerService/managedClusters/" + name
			body := obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"networkProfile": s.network, "agentPoolProfiles": []obj{pool(s.pool)}}}
			made := op.run("PUT", cluster, body).ok(200)
			nodes := w.platform + "/resourceGroups/" + made.str("properties.nodeResourceGroup")
			resources := strings.Join(op.get(nodes+"/resources").ok(200).list("type"), " ")
			for _, typ := range append(s.has, "virtualMachineScaleSets", "userAssignedIdentities") {
				if !strings.Contains(resources, "/"+typ) {
					t.Errorf("no %s among %s", typ, resources)
				}
			}
			for _, typ := range s.hasNot {
				if strings.Contains(resources, "/"+typ) {
					t.Errorf("there is %s among %s", typ, resources)
				}
			}
			grants := op.get(w.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + made.str("identity.principalId") + "'").ok(200)
			if got := grants.list("properties.scope"); len(got) != 1 || !strings.EqualFold(got[0], nodes) {
				t.Errorf("AKS granted %v", got)
			}
			if r := op.run("DELETE", cluster, nil); r.status > 204 {
				t.Errorf("delete: %s", r.raw)
			}
			op.get(nodes).ok(404)
		})
	}
	op.delete(ip).ok(202)
	op.delete(vnet).ok(202)
}

// TestInUse refuses to delete what is used, and deletes a group with all that is in it.
func TestInUse(t *testing.T) {
	w := newWorld(t)
	op, hub, rg := w.operator, w.group(w.hub, "hub"), w.group(w.platform, "rg1")
	rt := hub + "/providers/Microsoft.Network/routeTables/rt"
	vnet := hub + "/providers/Microsoft.Network/virtualNetworks/v1"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	op.put(vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}}}).ok(201)
	op.put(vnet+"/subnets/s1", obj{"properties": obj{"addressPrefix": "10.0.0.0/24", "routeTable": obj{"id": rt}}}).ok(201)
	op.put(vnet+"/subnets/s2", obj{"properties": obj{"addressPrefix": "10.0.0.0/25"}}).refused(400, "NetcfgSubnetRangesOverlap")
	op.put(vnet+"/subnets/s2", obj{"properties": obj{"addressPrefix": "192.168.0.0/25"}}).refused(400, "NetcfgSubnetRangeOutsideVnet")
	op.put(vnet+"/subnets/s2", obj{"properties": obj{"addressPrefix": "10.0.1.0/24", "routeTable": obj{"id": rt + "-none"}}}).refused(400, "InvalidResourceReference")
	op.delete(rt).refused(400, "InUseRouteTableCannotBeDeleted")
	lb := rg + "/providers/Microsoft.Network/loadBalancers/lb"
	op.put(lb, obj{"location": "westeurope", "properties": obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"subnet": obj{"id": vnet + "/subnets/s1"}}}}}}).ok(201)
	op.delete(vnet+"/subnets/s1").refused(400, "InUseSubnetCannotBeDeleted")
	op.delete(vnet).refused(400, "InUseSubnetCannotBeDeleted")
	if r := op.run("DELETE", hub, nil); r.at("error.code") != "ResourceGroupDeletionBlocked" {
		t.Errorf("a group whose subnet is used elsewhere: %d %s", r.status, r.raw)
	}
	op.run("DELETE", rg, nil).ok(200)
	op.get(lb).refused(404, "ResourceGroupNotFound")
	op.run("DELETE", hub, nil).ok(200)
	if got := op.get(w.hub + "/resources").ok(200).list("id"); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

// TestETags refuses a write that saw an older version.
func TestETags(t *testing.T) {
	w := newWorld(t)
	rt := w.group(w.platform, "rg1") + "/providers/Microsoft.Network/routeTables/rt"
	old := w.operator.put(rt, obj{"location": "westeurope"}).ok(201).str("etag")
	again := w.operator.put(rt+"/routes/r1", obj{"properties": obj{"addressPrefix": "10.1.0.0/24", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.0.0.4"}}).ok(201)
	if again.str("etag") == old || again.str("id") != rt+"/routes/r1" {
		t.Errorf("the route is %s", again.raw)
	}
	r := httptest.NewRequest("PUT", "https://"+host+rt+"?api-version=2023-09-01", strings.NewReader(`{"location":"westeurope"}`))
	r.Header.Set("Authorization", "Bearer "+w.operator.token)
	r.Header.Set("If-Match", old)
	w.serve(r).refused(412, "PreconditionFailed")
	w.operator.do("PATCH", rt, obj{"tags": obj{"a": "b"}}).ok(200)
	if got := w.operator.get(rt).ok(200); got.str("tags.a") != "b" || got.str("properties.routes.0.name") != "r1" {
		t.Errorf("a PATCH of tags left %s", got.raw)
	}
}

// TestPages reads a long list page by page.
func TestPages(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	const n = 1203
	for i := range n {
		w.operator.put(fmt.Sprintf("%s/providers/Microsoft.Network/routeTables/r%04d", rg, i), obj{"location": "westeurope"}).ok(201)
	}
	for _, path := range []string{rg + "/providers/Microsoft.Network/routeTables", w.platform + "/providers/Microsoft.Network/routeTables", w.platform + "/resources"} {
		seen := map[string]bool{}
		for path != "" {
			r := w.operator.get(path).ok(200)
			for _, id := range r.list("id") {
				if seen[id] {
					t.Fatalf("%s is on two pages", id)
				}
				seen[id] = true
			}
			path = strings.TrimPrefix(r.str("nextLink"), "https://"+host)
		}
		if len(seen) != n {
			t.Errorf("%d of %d", len(seen), n)
		}
	}
}

// TestRegistry decides pulls and pushes by the engine, in both modes, and keeps out who has no role.
func TestRegistry(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	acr := rg + "/providers/Microsoft.ContainerRegistry/registries/testacr"
	made := op.put(acr, obj{"location": "westeurope", "sku": obj{"name": "Basic"}}).ok(201)
	if made.str("properties.loginServer") != "testacr.azurecr.io" || made.at("properties.roleAssignmentMode") != nil {
		t.Errorf("the registry is %s", made.raw)
	}
	op.put(rg+"/providers/Microsoft.ContainerRegistry/registries/no", obj{"location": "westeurope", "sku": obj{"name": "Basic"}}).refused(400, "RegistryNameInvalid")
	op.put(w.group(w.hub, "rg2")+"/providers/Microsoft.ContainerRegistry/registries/TestAcr", obj{"location": "westeurope", "sku": obj{"name": "Basic"}}).refused(409, "AlreadyInUse")
	puller, pusher, reader := w.application("puller"), w.application("pusher"), w.application("reader")
	puller.pull("testacr", "app", 401)
	roles["AcrPush"], roles["Repository Reader"] = "8311e382-0749-4cb8-b61a-304f252e45ec", "b93aa761-3e63-49ed-ac28-beffa264f7ac"
	w.grant(puller.id, "AcrPull", acr)
	w.grant(pusher.id, "AcrPush", acr)
	w.grant(reader.id, "Reader", rg)
	for _, u := range []*user{puller, pusher, reader} {
		u.pull("testacr", "app", 200)
	}
	abac := obj{"location": "westeurope", "sku": obj{"name": "Basic"}, "properties": obj{"roleAssignmentMode": "AbacRepositoryPermissions"}}
	if got := op.do("PUT", acr+"?api-version=2025-04-01", abac).ok(200).str("properties.roleAssignmentMode"); got != "AbacRepositoryPermissions" {
		t.Errorf("the mode is %q", got)
	}
	puller.pull("testacr", "app", 401)
	w.grant(puller.id, "Repository Reader", acr)
	puller.pull("testacr", "app", 200)
	puller.pull("nosuchacr", "app", 404)
}
