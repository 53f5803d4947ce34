package cloud_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// cluster is a cluster in a test's world.
type cluster struct {
	w         *world
	id, nodes string
}

// cluster names a cluster of a group; make or put makes it.
func (w *world) cluster(group, name string) *cluster {
	parts := strings.Split(group, "/")
	return &cluster{w, group + "/providers/Microsoft.ContainerService/managedClusters/" + name,
		strings.Join(parts[:4], "/") + "/MC_" + parts[4] + "_" + name + "_westeurope"}
}

// body is that of a PUT; properties are on top of the least that a cluster has.
func clusterBody(identity, properties obj) obj {
	all := obj{"dnsPrefix": "c", "networkProfile": obj{"networkPlugin": "azure"}, "agentPoolProfiles": []obj{pool(nil)}}
	for k, v := range properties {
		all[k] = v
	}
	body := obj{"location": "westeurope", "properties": all}
	if identity != nil {
		body["identity"] = identity
	}
	return body
}

func (c *cluster) put(identity, properties obj) reply {
	c.w.Helper()
	return c.w.operator.run("PUT", c.id, clusterBody(identity, properties))
}

// update is what az aks update does: it reads the cluster, changes what is given and writes the whole.
func (c *cluster) update(identity, properties obj) reply {
	c.w.Helper()
	doc := c.w.operator.get(c.id).ok(200).body
	props := doc["properties"].(obj)
	delete(props, "servicePrincipalProfile") // az nulls it
	if identity != nil {
		doc["identity"] = identity
	}
	for k, v := range properties {
		props[k] = v
	}
	return c.w.operator.run("PUT", c.id, doc)
}

func (c *cluster) get() reply { c.w.Helper(); return c.w.operator.get(c.id).ok(200) }

// scaleSet is the scale set of a pool.
func (c *cluster) scaleSet(pool string) reply {
	c.w.Helper()
	for _, name := range c.w.operator.get(c.nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets").ok(200).list("name") {
		if strings.HasPrefix(name, "aks-"+pool+"-") {
			return c.w.operator.get(c.nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/" + name).ok(200)
		}
	}
	c.w.Fatalf("pool %s has no scale set", pool)
	return reply{}
}

// attached are the names of the identities of a pool's scale set.
func (c *cluster) attached(pool string) []string {
	c.w.Helper()
	var names []string
	users, _ := c.scaleSet(pool).at("identity.userAssignedIdentities").(obj)
	for id := range users {
		names = append(names, id[strings.LastIndexByte(id, '/')+1:])
	}
	slices.Sort(names)
	return names
}

func (c *cluster) wantAttached(pool string, want ...string) {
	c.w.Helper()
	if got := c.attached(pool); !slices.Equal(got, want) {
		c.w.Errorf("attached to %s: %v, want %v", pool, got, want)
	}
}

// post runs an action on the cluster or below it to its end.
func (c *cluster) post(below string, body any) reply {
	c.w.Helper()
	return c.w.operator.run("POST", c.id+below, body)
}

// hasRole reports whether a principal has a role assigned at exactly a scope.
func (w *world) hasRole(principal, role, scope string) bool {
	w.Helper()
	list := w.operator.get(scope + "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()").ok(200)
	for i, id := range list.list("properties.principalId") {
		if id == principal && strings.EqualFold(list.list("properties.scope")[i], scope) && strings.HasSuffix(list.list("properties.roleDefinitionId")[i], roles[role]) {
			return true
		}
	}
	return false
}

// servicePrincipal makes an application with a service principal and a secret.
func (w *world) servicePrincipal(name string) (app, object, secret string) {
	w.Helper()
	app = w.operator.do("POST", "/v1.0/applications", obj{"displayName": name}).ok(201).str("appId")
	object = w.operator.do("POST", "/v1.0/servicePrincipals", obj{"appId": app}).ok(201).str("id")
	return app, object, w.addSecret(object, time.Time{})
}

func (w *world) addSecret(object string, until time.Time) string {
	w.Helper()
	credential := obj{}
	if !until.IsZero() {
		credential["endDateTime"] = until.UTC().Format(time.RFC3339)
	}
	return w.operator.do("POST", "/v1.0/servicePrincipals/"+object+"/addPassword", obj{"passwordCredential": credential}).ok(200).str("secretText")
}

func userIdentity(id string) obj {
	return obj{"type": "UserAssigned", "userAssignedIdentities": obj{id: obj{}}}
}

var system = obj{"type": "SystemAssigned"}

// TestIdentitySwitches takes one cluster through every switch of its identity that AKS allows, and tries those that it does not.
func TestIdentitySwitches(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	app, object, secret := w.servicePrincipal("aks-sp")
	a, aPrincipal, _ := w.identity(rg, "a")
	b, bPrincipal, _ := w.identity(rg, "b")

	sp := c.put(nil, obj{"servicePrincipalProfile": obj{"clientId": app, "secret": secret}}).ok(200)
	if sp.at("identity") != nil || sp.at("properties.identityProfile") != nil || sp.str("properties.servicePrincipalProfile.clientId") != app ||
		sp.at("properties.servicePrincipalProfile.secret") != nil || strings.Contains(sp.raw, secret) {
		t.Fatalf("a service principal cluster shows %s", sp.raw)
	}
	if !w.hasRole(object, "Contributor", c.nodes) {
		t.Error("AKS granted the service principal nothing")
	}
	c.wantAttached("nodepool1")

	mi := c.update(system, nil).ok(200)
	cp, kubelet := mi.str("identity.principalId"), mi.str("properties.identityProfile.kubeletidentity.objectId")
	if mi.str("properties.servicePrincipalProfile.clientId") != "msi" || cp == "" || kubelet == "" {
		t.Fatalf("after the switch: %s", mi.raw)
	}
	if !w.hasRole(cp, "Contributor", c.nodes) {
		t.Error("the new identity has no role on its nodes")
	}
	c.wantAttached("nodepool1") // the nodes keep what they have
	c.update(nil, nil).ok(200)
	c.wantAttached("nodepool1")
	c.post("/agentPools/nodepool1/upgradeNodeImageVersion", nil).ok(200)
	c.wantAttached("nodepool1", "c1-agentpool")
	w.operator.delete(c.nodes + "/providers/Microsoft.Authorization/roleAssignments/" + w.assignment(cp, c.nodes)).ok(200)
	c.update(nil, nil).ok(200)
	if !w.hasRole(cp, "Contributor", c.nodes) {
		t.Error("a reconcile does not grant anew")
	}

	user := c.update(userIdentity(a), nil).ok(200)
	if user.at("identity.principalId") != nil || user.str("properties.identityProfile.kubeletidentity.objectId") != kubelet || !w.hasRole(aPrincipal, "Contributor", c.nodes) {
		t.Errorf("user-assigned: %s", user.raw)
	}
	w.operator.do("GET", "/v1.0/servicePrincipals/"+cp, nil).ok(404)
	c.update(userIdentity(b), nil).ok(200)
	if !w.hasRole(bPrincipal, "Contributor", c.nodes) {
		t.Error("the second user-assigned identity has no role")
	}
	again := c.update(system, nil).ok(200)
	if p := again.str("identity.principalId"); p == "" || p == cp || !w.hasRole(p, "Contributor", c.nodes) {
		t.Errorf("system-assigned again: %q", p)
	}
	w.operator.get(a).ok(200)

	for name, try := range map[string]struct {
		reply reply
		code  string
	}{
		"no identity":         {c.update(obj{"type": "None"}, nil), "PropertyChangeNotAllowed"},
		"a service principal": {c.update(nil, obj{"servicePrincipalProfile": obj{"clientId": app, "secret": secret}}), "PropertyChangeNotAllowed"},
		"new credentials":     {c.post("/resetServicePrincipalProfile", obj{"clientId": app, "secret": secret}), "BadRequest"},
		"two identities":      {c.update(obj{"type": "UserAssigned", "userAssignedIdentities": obj{a: obj{}, b: obj{}}}, nil), "InvalidParameter"},
		"both kinds":          {c.update(obj{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": obj{a: obj{}}}, nil), "InvalidParameter"},
	} {
		if try.reply.status != 400 || try.reply.str("code") != try.code {
			t.Errorf("%s: %d %s", name, try.reply.status, try.reply.raw)
		}
	}
	c.post("/resetServicePrincipalProfile", obj{"clientId": app, "secret": secret}).refused(400, "BadRequest", "Updating service principal profile is not allowed on MSI cluster.")
	if p := c.get().str("identity.principalId"); p != again.str("identity.principalId") {
		t.Errorf("refused switches left the identity %q", p)
	}
}

// assignment is the name of the assignment that a principal has at a scope.
func (w *world) assignment(principal, scope string) string {
	w.Helper()
	list := w.operator.get(scope + "/providers/Microsoft.Authorization/roleAssignments?$filter=" + url.QueryEscape("atScope()")).ok(200)
	for i, id := range list.list("properties.principalId") {
		if id == principal && strings.EqualFold(list.list("properties.scope")[i], scope) {
			return list.list("name")[i]
		}
	}
	w.Fatalf("%s has no assignment at %s", principal, scope)
	return ""
}

// TestKubeletLives follows the kubelet identity: detached, deleted, changed.
func TestKubeletLives(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	c.put(system, nil).ok(200)
	c.wantAttached("nodepool1", "c1-agentpool")
	set := c.scaleSet("nodepool1").str("id")
	old := c.get().str("properties.identityProfile.kubeletidentity.objectId")

	op.do("PATCH", set, obj{"identity": obj{"type": "None"}}).ok(200)
	c.wantAttached("nodepool1")
	c.update(nil, nil).ok(200)
	c.wantAttached("nodepool1", "c1-agentpool")

	mine, _, _ := w.identity(rg, "mine")
	op.do("PATCH", set, obj{"identity": obj{"userAssignedIdentities": obj{mine: obj{}}}}).ok(200)
	c.update(nil, nil).ok(200)
	c.wantAttached("nodepool1", "c1-agentpool", "mine")

	op.delete(c.nodes + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c1-agentpool").ok(200)
	node := set
	if got := w.imds(node, old); got != 400 {
		t.Errorf("a deleted identity gets %d of the metadata service", got)
	}
	again := c.update(nil, nil).ok(200).str("properties.identityProfile.kubeletidentity.objectId")
	if again == old || again == "" {
		t.Fatalf("the reconcile left the kubelet identity %q", again)
	}
	if got := w.imds(node, again); got != 400 {
		t.Errorf("the nodes have the new identity before they are made anew: %d", got)
	}
	c.post("/agentPools/nodepool1/upgradeNodeImageVersion", nil).ok(200)
	if got := w.imds(node, again); got != 200 {
		t.Errorf("after the node image upgrade: %d", got)
	}
	c.wantAttached("nodepool1", "c1-agentpool", "mine")

	brought, _, _ := w.identity(rg, "kubelet")
	a, aPrincipal, _ := w.identity(rg, "a")
	profile := obj{"identityProfile": obj{"kubeletidentity": obj{"resourceId": brought}}}
	c.update(nil, profile).refused(400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster")
	c.update(userIdentity(a), profile).refused(400, "CustomKubeletIdentityMissingPermissionError")
	w.grant(aPrincipal, "Managed Identity Operator", brought)
	if got := c.update(userIdentity(a), profile).ok(200).str("properties.identityProfile.kubeletidentity.resourceId"); !strings.EqualFold(got, brought) {
		t.Errorf("the kubelet identity is %q", got)
	}
	c.wantAttached("nodepool1", "kubelet", "mine") // changing it makes the nodes anew
	c.update(system, nil).refused(400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster")
}

// imds asks a machine's metadata service for the token of an object id.
func (w *world) imds(machine, object string) int {
	w.Helper()
	return w.askMachine(machine, "&object_id="+object).status
}

// TestServicePrincipalLives lets a cluster's service principal expire, be given another secret, disabled and deleted.
func TestServicePrincipalLives(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	app, object, _ := w.servicePrincipal("aks-sp")
	short := w.addSecret(object, w.clock.Now().Add(30*24*time.Hour))
	profile := func(app, secret string) obj {
		return obj{"servicePrincipalProfile": obj{"clientId": app, "secret": secret}}
	}
	c.put(nil, nil).refused(400, "InvalidParameter", "servicePrincipalProfile.clientId")
	c.put(nil, profile("00000000-0000-4000-8000-00000000abcd", short)).refused(400, "ServicePrincipalNotFound", "00000000-0000-4000-8000-00000000abcd", w.tenant)
	c.put(nil, profile(app, "wrong")).refused(400, "ServicePrincipalValidationClientError",
		"The credentials in ServicePrincipalProfile were invalid.", `adal: Refresh request failed. Status Code = '401'. Response body: {"error":"invalid_client"`, "AADSTS7000215")
	c.put(nil, profile(app, short)).ok(200)
	c.update(nil, profile(app, short)).ok(200)
	c.update(nil, profile(app, w.addSecret(object, time.Time{}))).refused(400, "PropertyChangeNotAllowed", "servicePrincipalProfile.secret")
	other, otherObject, otherSecret := w.servicePrincipal("other-sp")
	c.update(nil, profile(other, otherSecret)).refused(400, "PropertyChangeNotAllowed", "servicePrincipalProfile.clientId")

	w.clock.Add(31 * 24 * time.Hour)
	op.renew()
	c.update(nil, nil).refused(400, "ServicePrincipalValidationClientError", "AADSTS7000222", app)
	op.run("PUT", c.id+"/agentPools/extra", obj{"properties": obj{"count": 1, "vmSize": "Standard_DS2_v2"}}).refused(400, "ServicePrincipalValidationClientError", "AADSTS7000222")
	c.post("/resetServicePrincipalProfile", obj{"clientId": app, "secret": "wrong"}).refused(400, "ServicePrincipalValidationClientError", "AADSTS7000215")
	c.post("/resetServicePrincipalProfile", obj{"clientId": app, "secret": w.addSecret(object, time.Time{})}).ok(200)
	c.update(nil, nil).ok(200)

	op.do("PATCH", "/v1.0/servicePrincipals/"+object, obj{"accountEnabled": false}).ok(204)
	c.update(nil, nil).refused(400, "ServicePrincipalValidationClientError", "AADSTS7000112")
	c.post("/resetServicePrincipalProfile", obj{"clientId": other, "secret": w.addSecret(otherObject, time.Time{})}).ok(200)
	if got := c.get().str("properties.servicePrincipalProfile.clientId"); got != other || !w.hasRole(otherObject, "Contributor", c.nodes) {
		t.Errorf("the new service principal %q has no role", got)
	}
	op.do("DELETE", "/v1.0/servicePrincipals/"+otherObject, nil).ok(204)
	c.update(nil, nil).refused(400, "ServicePrincipalValidationClientError")
	if s := c.get().str("properties.provisioningState"); s != "Succeeded" {
		t.Errorf("refusals left the cluster %s", s)
	}
	c.update(system, nil).ok(200)
}
