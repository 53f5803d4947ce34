package cloud_test

import (
	"slices"
	"strings"
	"testing"
)

// move asks for a move and waits for its end.
func (u *user) move(from, action, to string, ids ...string) reply {
	u.w.Helper()
	return u.run("POST", from+"/"+action+"?api-version=2021-04-01", obj{"resources": ids, "targetResourceGroup": to})
}

// TestMove moves a small network to another subscription and finds all of it there, with what lay on it gone.
func TestMove(t *testing.T) {
	w := newWorld(t)
	op, from, to := w.operator, w.group(w.platform, "rg-from"), w.group(w.hub, "rg-To")
	net, rt, acr := from+"/providers/Microsoft.Network/virtualNetworks/v", from+"/providers/Microsoft.Network/routeTables/r", from+"/providers/Microsoft.ContainerRegistry/registries/movedacr"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	body := withSubnets(network("10.0.0.0/16"), subnet("s", "10.0.0.0/24"))
	body["properties"].(obj)["subnets"].([]obj)[0]["properties"].(obj)["routeTable"] = obj{"id": rt}
	op.put(net, body).ok(201)
	op.put(acr, obj{"location": "westeurope", "sku": obj{"name": "Basic"}, "identity": obj{"type": "SystemAssigned"}}).ok(201)
	principal := op.get(acr).ok(200).str("identity.principalId")
	lock := acr + "/providers/Microsoft.Authorization/locks/keep"
	op.put(lock, obj{"properties": obj{"level": "CanNotDelete"}}).ok(201)
	assignment, above := w.grant(principal, "Reader", net), w.grant(principal, "Reader", from)

	if r := op.move(from, "validateMoveResources", to, net, rt, acr); r.status != 204 || r.raw != "" {
		t.Fatalf("validation: %d %s", r.status, r.raw)
	}
	op.get(net).ok(200)
	first := op.do("POST", from+"/moveResources", obj{"resources": []string{strings.ToUpper(net), rt, acr}, "targetResourceGroup": strings.ToUpper(to)}).ok(202)
	if first.header.Get("Location") == "" || first.header.Get("Retry-After") == "" {
		t.Errorf("the headers are %v", first.header)
	}
	for path := strings.TrimPrefix(first.header.Get("Location"), "https://"+host); ; {
		if r := op.get(path); r.status != 202 {
			r.ok(204)
			break
		}
	}
	moved := func(id string) string { return to + strings.TrimPrefix(id, from) }
	got := op.get(moved(net)).ok(200)
	if got.str("id") != moved(net) || got.str("properties.subnets.0.id") != moved(net)+"/subnets/s" || got.str("properties.subnets.0.properties.routeTable.id") != moved(rt) {
		t.Errorf("the network is %s", got.raw)
	}
	if got := op.get(moved(rt)).ok(200); got.str("properties.subnets.0.id") != moved(net)+"/subnets/s" {
		t.Errorf("the route table is %s", got.raw)
	}
	for _, id := range []string{net, rt, acr, net + "/subnets/s"} {
		op.get(id).ok(404)
		op.get(moved(id)).ok(200)
	}
	if got := op.get(w.hub + "/providers/Microsoft.Network/routeTables").ok(200).list("id"); !slices.Equal(got, []string{moved(rt)}) {
		t.Errorf("in the target subscription: %v", got)
	}
	if got := op.get(w.platform + "/providers/Microsoft.Network/routeTables").ok(200).list("id"); len(got) != 0 {
		t.Errorf("in the source subscription: %v", got)
	}
	op.get(lock).ok(404)
	op.get(moved(lock)).ok(200)
	op.delete(moved(acr)).refused(409, "ScopeLocked", moved(acr))
	op.get(assignment).ok(404)
	op.get(moved(assignment)).ok(404)
	op.get(above).ok(200)
	if r := op.do("GET", "/v1.0/servicePrincipals/"+principal, nil).ok(200); !strings.Contains(r.raw, moved(acr)) {
		t.Errorf("the identity says it belongs to %s", r.raw)
	}
	if got := op.get(from).ok(200).str("properties.provisioningState"); got != "Succeeded" {
		t.Errorf("the source group is %s", got)
	}
	op.delete(moved(net)).ok(202)
	op.delete(moved(rt)).ok(202)
}

// TestMoveRefused is why a move is refused: at once, or at the end of the operation.
func TestMoveRefused(t *testing.T) {
	w := newWorld(t)
	op, from, to, hub := w.operator, w.group(w.platform, "rg-from"), w.group(w.platform, "rg-to"), w.group(w.hub, "rg-hub")
	net, rt := from+"/providers/Microsoft.Network/virtualNetworks/v", from+"/providers/Microsoft.Network/routeTables/r"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	body := withSubnets(network("10.0.0.0/16"), subnet("s", "10.0.0.0/24"))
	body["properties"].(obj)["subnets"].([]obj)[0]["properties"].(obj)["routeTable"] = obj{"id": rt}
	op.put(net, body).ok(201)
	id, principal, _ := w.identity(from, "id1")
	role := w.grant(principal, "Reader", from)
	op.put(to+"/providers/Microsoft.Network/routeTables/x", obj{"location": "westeurope"}).ok(201)
	op.put(from+"/providers/Microsoft.Network/routeTables/x", obj{"location": "westeurope"}).ok(201)

	for _, c := range []struct {
		target string
		ids    []string
		status int
		code   string
		word   string
	}{
		{to, nil, 400, "InvalidRequestContent", "between 1 and 800"},
		{from, []string{rt}, 400, "InvalidRequestContent", "the same"},
		{"nonsense", []string{rt}, 400, "InvalidRequestContent", "targetResourceGroup"},
		{to, []string{hub + "/providers/Microsoft.Network/routeTables/r"}, 400, "InvalidRequestContent", "rg-from"},
		{to, []string{from}, 400, "InvalidRequestContent", "not the id of a resource"},
		{to, []string{net + "/subnets/s"}, 400, "InvalidRequestContent", "with its parent"},
		{w.platform + "/resourceGroups/none", []string{rt}, 404, "ResourceGroupNotFound", "none"},
	} {
		op.do("POST", from+"/moveResources", obj{"resources": c.ids, "targetResourceGroup": c.target}).refused(c.status, c.code, c.word)
	}
	for _, c := range []struct {
		target, id, code, target2, inside string
	}{
		{to, from + "/providers/Microsoft.Network/routeTables/none", "ResourceNotFound", "", ""},
		{to, from + "/providers/Microsoft.Nothing/things/x", "ResourceNotFound", "", ""},
		{to, id, "ResourceMoveNotSupported", id, ""},
		{to, role, "ResourceMoveNotSupported", role, ""},
		{to, rt, "MissingMoveDependentResources", "Microsoft.Network/routeTables", net + "/subnets/s"},
		{hub, net, "MissingMoveDependentResources", "Microsoft.Network/virtualNetworks", rt},
		{to, from + "/providers/Microsoft.Network/routeTables/x", "CannotMoveResource", "Microsoft.Network/routeTables", "The resource '" + to + "/providers/Microsoft.Network/routeTables/x' already exists."},
	} {
		for _, action := range []string{"validateMoveResources", "moveResources"} {
			r := op.move(from, action, c.target, c.id)
			r.refused(409, "ResourceMoveProviderValidationFailed", "Please see details", w.platform[len("/subscriptions/"):])
			if got := r.str("error.details.0.code"); got != c.code || r.str("error.details.0.target") != c.target2 || r.str("error.details.0.details.0.message") != c.inside {
				t.Errorf("%s of %s: %s", action, c.id, r.raw)
			}
		}
	}
	op.get(rt).ok(200)
	if r := op.move(from, "moveResources", to, net); r.status != 204 {
		t.Errorf("in a subscription a network may leave its route table behind: %s", r.raw)
	}
}

// TestMoveRights is who may move: the action on the source, and writing each type in the target.
func TestMoveRights(t *testing.T) {
	w := newWorld(t)
	op, from, to := w.operator, w.group(w.platform, "rg-from"), w.group(w.platform, "rg-to")
	rt := from + "/providers/Microsoft.Network/routeTables/r"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	mover := w.application("mover")
	w.grant(mover.id, "Reader", w.platform)
	mover.move(from, "moveResources", to, rt).refused(403, "AuthorizationFailed", "'Microsoft.Resources/subscriptions/resourceGroups/moveResources/action'", "'"+from+"'")
	w.grant(mover.id, "Contributor", from)
	mover.move(from, "moveResources", to, rt).refused(403, "AuthorizationFailed", "'Microsoft.Network/routeTables/write'", "'"+to+"/providers/Microsoft.Network/routeTables/r'")
	w.grant(mover.id, "Network Contributor", to)
	lock := to + "/providers/Microsoft.Authorization/locks/l"
	op.put(lock, obj{"properties": obj{"level": "ReadOnly"}}).ok(201)
	mover.move(from, "moveResources", to, rt).refused(409, "ScopeLocked", to)
	op.delete(lock).ok(200)
	if r := mover.move(from, "moveResources", to, rt); r.status != 204 {
		t.Errorf("with both rights: %d %s", r.status, r.raw)
	}
	events := op.events(w.platform, "resourceGroupName eq 'rg-from'")
	var ends []string
	for i, action := range events.list("authorization.action") {
		if action == "Microsoft.Resources/subscriptions/resourceGroups/moveResources/action" && events.list("caller")[i] == mover.id && events.list("eventName.value")[i] == "EndRequest" {
			ends = append(ends, events.list("status.value")[i])
		}
	}
	slices.Sort(ends)
	if want := []string{"Accepted", "Failed", "Failed", "Failed", "Succeeded"}; !slices.Equal(ends, want) {
		t.Errorf("the activity log has %v, want %v", ends, want)
	}
}
