package catalogue_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// Every need of the catalogue is proved on a local Azure, which knows what Azure checks from other documents: with one action
// taken away the call that exercises the need is refused with that action, with all of them it is not.
func TestNeedsAreWhatAzureChecks(t *testing.T) {
	w := newWorld(t)
	e := w.load()
	c := e.Clusters[0]
	for _, r := range catalogue.All() {
		who, ok := e.Actor(c, r.Actor, r.AddOn)
		if !ok {
			t.Errorf("the cluster has no identity for %s", r.ID)
			continue
		}
		n := 0
		for need := range r.Needs(e, c) {
			n++
			t.Run(r.ID+" "+need.Scope.Name(), func(t *testing.T) { w.prove(t, e, need, who) })
		}
		if n == 0 && r.ID != "private-dns-default-link" { // which a cluster with a zone of its own does not need; private-dns-network is alike
			t.Errorf("the cluster does not need %s", r.ID)
		}
	}
}

func (w *world) prove(t *testing.T, e *estate.Estate, need catalogue.Need, who estate.Identity) {
	w.t = t
	if w.cluster.NodeGroup().Equal(need.Scope) {
		w.revoke(who.Principal, need.Scope) // AKS's own grant
		defer func() { w.grant(who.Principal, need.Scope, []azure.Action{"*"}, nil) }()
	}
	need.Actions = w.known(need.Actions)
	for i, action := range slices.Concat(need.Actions, need.DataActions) {
		call, ok := w.exercise(action, i >= len(need.Actions), need.Scope, who)
		if who.Role == estate.Creator && !reads(action, estate.TypeCluster) { // all else is checked when the cluster is put
			call, ok = func() error { return w.updateAs(e, who, need) }, true
		}
		if !ok {
			t.Logf("not proved: the local Azure has no call that takes %s", action)
			continue
		}
		without := func(as []azure.Action) []azure.Action {
			return slices.DeleteFunc(slices.Clone(as), func(a azure.Action) bool { return a.Is(action) })
		}
		forget := w.grant(who.Principal, need.Scope, without(need.Actions), without(need.DataActions))
		if err := call(); !refuses(err, action) {
			t.Errorf("without %s: %v, want a refusal that names it", action, err)
		}
		forget()
		forget = w.grant(who.Principal, need.Scope, need.Actions, need.DataActions)
		if err := call(); isRefusal(err, action) {
			t.Errorf("with %s: %v", action, err)
		}
		forget()
	}
}

// reads reports whether an action reads a type.
func reads(a azure.Action, typ string) bool { return a.Is(azure.Action(typ + "/read")) }

// known are the actions that the local Azure takes in a role. Its list of operations has gaps.
func (w *world) known(actions []azure.Action) []azure.Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a azure.Action) bool {
		forget, err := w.tryGrant(azure.NewGUID(), w.hub, []azure.Action{a}, nil)
		var e *azure.Error
		if errors.As(err, &e) && e.Code == "InvalidActionOrNotAction" {
			w.t.Logf("not proved: the local Azure does not know %s", a)
			return true
		}
		w.must(err)
		forget()
		return false
	})
}

// words are what AKS and registries refuse with, where they do not name the action.
var words = map[string]string{
	"microsoft.managedidentity/userassignedidentities/assign/action":   "CustomKubeletIdentityMissingPermissionError",
	"microsoft.containerregistry/registries/pull/read":                 "UNAUTHORIZED",
	"microsoft.containerregistry/registries/repositories/content/read": "UNAUTHORIZED",
}

// refuses reports whether an error refuses just this action.
func refuses(err error, action azure.Action) bool {
	var e *azure.Error
	if !errors.As(err, &e) {
		return false
	}
	if word := words[action.Key()]; word != "" && e.Status != http.StatusForbidden {
		return e.Code == word
	}
	text := strings.ToLower(e.Message)
	plain := strings.Contains(text, "perform action '"+action.Key()+"'") && !permits(e, action)
	linked := strings.Contains(text, "action(s) '"+action.Key()+"' on the linked scope")
	vault := strings.Contains(text, "action: '"+action.Key()+"'")
	return e.Status == http.StatusForbidden && (plain || linked || vault)
}

// permits reports whether an error says that the action itself is allowed, and something linked is not.
func permits(e *azure.Error, action azure.Action) bool {
	return strings.Contains(strings.ToLower(e.Message), "has permission to perform action '"+action.Key()+"'")
}

// isRefusal reports whether an error is for want of a right; that the call fails for another reason, as its body, does not
// matter: rights are looked at before.
func isRefusal(err error, action azure.Action) bool {
	var e *azure.Error
	if err == nil {
		return false
	}
	if !errors.As(err, &e) {
		return true
	}
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden && !permits(e, action) || e.Code == words[action.Key()]
}

// exercise is the call that takes an action: as the cluster's controllers, its nodes, or AKS itself make it.
func (w *world) exercise(action azure.Action, data bool, scope azure.ID, who estate.Identity) (call func() error, ok bool) {
	key := action.Key()
	if link, ok := links[key]; ok {
		return func() error { return w.link(link, scope, who) }, true
	}
	method, id := http.MethodPost, instance(action, scope)
	switch verb := key[strings.LastIndexByte(key, '/')+1:]; {
	case strings.HasSuffix(key, "/registries/pull/read"), strings.HasSuffix(key, "/repositories/content/read"):
		return func() error { return w.pull(scope) }, true
	case strings.HasSuffix(key, "/userassignedidentities/assign/action"):
		return w.updateCluster, true
	case strings.HasSuffix(key, "/keys/encrypt/action"), strings.HasSuffix(key, "/keys/decrypt/action"):
		return func() error { return w.useKey(scope, who, key) }, true
	case data:
		return nil, false
	case verb == "read":
		method = http.MethodGet
	case verb == "write":
		method = http.MethodPut
	case verb == "delete":
		method = http.MethodDelete
	case strings.HasSuffix(key, "/listkeys/action"):
		id = id.Join("listKeys")
	default:
		return nil, false
	}
	if !w.serves(instance(action, scope)) {
		return nil, false
	}
	return func() error {
		var body doc
		if method == http.MethodPut {
			body = w.body(id)
		}
		return w.call(w.as(who), method, id, body)
	}, true
}

// serves reports whether the local Azure knows a type.
func (w *world) serves(id azure.ID) bool {
	var e *azure.Error
	return !errors.As(w.call(w.operator, http.MethodGet, id, nil), &e) || e.Code != "InvalidResourceType"
}

// instance is a resource of the action's type: the scope itself, or one in it that need not exist. Azure looks at rights first.
func instance(action azure.Action, scope azure.ID) azure.ID {
	typ, own := action.Type(), scope.Type()
	if strings.EqualFold(typ, own) {
		return scope
	}
	if len(typ) > len(own) && strings.EqualFold(typ[:len(own)+1], own+"/") {
		return scope.Join(typ[len(own)+1:], "proof")
	}
	return scope.Resource(typ, "proof", "proof", "proof")
}

// body is what a resource is put with: what it is already, or something new.
func (w *world) body(id azure.ID) doc {
	var d doc
	if w.get(id, &d) == nil {
		return d
	}
	return doc{"location": "westeurope", "properties": doc{}}
}

// link is what is put so that Azure checks an action on what it refers to.
type link struct {
	typ  string
	path string // to the reference, through arrays of one named element
}

var links = map[string]link{
	"microsoft.network/virtualnetworks/subnets/join/action":               {"Microsoft.Network/loadBalancers", "frontendIPConfigurations.subnet"},
	"microsoft.network/publicipaddresses/join/action":                     {"Microsoft.Network/loadBalancers", "frontendIPConfigurations.publicIPAddress"},
	"microsoft.network/publicipprefixes/join/action":                      {"Microsoft.Network/loadBalancers", "frontendIPConfigurations.publicIPPrefix"},
	"microsoft.network/virtualnetworks/joinloadbalancer/action":           {"Microsoft.Network/loadBalancers", "backendAddressPools.virtualNetwork"},
	"microsoft.network/virtualnetworks/join/action":                       {"Microsoft.Network/privateDnsZones/virtualNetworkLinks", "virtualNetwork"},
	"microsoft.keyvault/vaults/privateendpointconnectionsapproval/action": {"Microsoft.Network/privateEndpoints", "privateLinkServiceConnections.privateLinkServiceId"},
	"microsoft.compute/capacityreservationgroups/deploy/action":           {"Microsoft.Compute/virtualMachineScaleSets", "virtualMachineProfile.capacityReservation.capacityReservationGroup"},
}

// link puts a resource into the node resource group that refers to the scope.
func (w *world) link(l link, scope azure.ID, who estate.Identity) error {
	target := scope
	if strings.EqualFold(scope.Type(), azure.TypeResourceGroup) { // an address there, which need not exist
		target = scope.Resource("Microsoft.Network/publicIPAddresses", "proof")
	}
	node := any(doc{"id": target.String()})
	parts := strings.Split(l.path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		switch p := parts[i]; {
		case strings.HasSuffix(p, "ServiceId"):
			node = doc{p: target.String()}
		case strings.HasSuffix(p, "s") && i == 0 && len(parts) > 1:
			node = doc{p: []any{doc{"name": "proof", "properties": node}}}
		default:
			node = doc{p: node}
		}
	}
	id := w.cluster.NodeGroup().Resource(l.typ, "proof"+strconv.Itoa(w.next()), "proof")
	if parent := id.Parent(); !parent.Equal(w.cluster.NodeGroup()) {
		w.must(w.call(w.operator, http.MethodPut, parent, doc{"location": "global"}))
	}
	if who.Role == estate.AddOn { // the control plane has Contributor there
		defer w.grant(who.Principal, w.cluster.NodeGroup(), []azure.Action{azure.Action(l.typ + "/write")}, nil)()
	}
	location := "westeurope"
	if strings.Contains(l.typ, "DnsZones") {
		location = "global"
	}
	return w.call(w.as(who), http.MethodPut, id, doc{"location": location, "sku": doc{"name": "Standard"}, "properties": node})
}

// pull asks a registry for a token to pull with, as a node does.
func (w *world) pull(registry azure.ID) error {
	node, err := w.az.MachineToken(w.ctx, w.kubelet)
	if err != nil {
		return err
	}
	service := registry.Name() + w.az.Cloud().RegistrySuffix
	refresh, err := w.registryToken(service, "exchange", url.Values{
		"grant_type": {"access_token"}, "service": {service}, "tenant": {w.az.Tenant.String()}, "access_token": {node}})
	if err != nil {
		return err
	}
	_, err = w.registryToken(service, "token", url.Values{
		"grant_type": {"refresh_token"}, "service": {service}, "scope": {"repository:app/web:pull"}, "refresh_token": {refresh}})
	return err
}
