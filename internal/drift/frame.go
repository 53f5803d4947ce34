package drift

import (
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// frame is what the surroundings of one cluster are to it. Ids differ between environments; what they are for does not.
type frame struct {
	e       *estate.Estate
	c       *estate.Cluster
	anchors []anchor
}

// anchor is one of the things that a cluster has, under the name that its counterparts have.
type anchor struct {
	name string
	id   azure.ID
}

func newFrame(e *estate.Estate, c *estate.Cluster) *frame {
	f := &frame{e: e, c: c}
	f.add("the cluster", c.ID)
	f.add("the node resource group", c.NodeGroup())
	f.add("the cluster's resource group", c.ID.GroupID())
	for _, id := range e.Identities(c) {
		if id.Role != estate.ServicePrincipal {
			f.add("the "+id.Label()+" identity", id.Resource)
		}
	}
	f.network()
	f.addEach("the registry", f.pulledFrom())
	f.add("the bootstrap registry", c.BootstrapRegistry())
	f.add("the API server's private DNS zone", c.PrivateZone())
	f.add("the application gateway", c.Gateway())
	f.addEach("the DNS zone of application routing", c.RoutingZones())
	f.add("the disk encryption set", c.Link("properties.diskEncryptionSetID"))
	f.addEach("the capacity reservation group", c.PoolLinks("capacityReservationGroupID"))
	f.addEach("the host group", c.PoolLinks("hostGroupID"))
	f.add("the vault of the KMS key", e.KMSVault(c))
	f.objects()
	f.above()
	return f
}

func (f *frame) network() {
	nodes := f.c.NodeSubnets()
	f.addEach("the node subnet", nodes)
	f.addEach("the pod subnet", f.c.PoolLinks("podSubnetID"))
	f.add("the API server's subnet", f.c.APIServerSubnet())
	f.add("the virtual nodes' subnet", f.c.VirtualNodeSubnet())
	for _, subnet := range nodes {
		doc, _ := f.e.Resource(subnet)
		f.add("the route table of the node subnet", doc.Link("properties.routeTable.id"))
		f.add("the network security group of the node subnet", doc.Link("properties.networkSecurityGroup.id"))
		f.add("the NAT gateway of the node subnet", doc.Link("properties.natGateway.id"))
	}
	for _, subnet := range f.c.Subnets() {
		f.add("the virtual network", subnet.Parent())
	}
	f.addEach("the outbound IP", f.c.OutboundIPs())
}

// pulledFrom are the registries that the cluster pulls from, as far as that can be told: those that are known to be, and those
// that were read and are in a resource group on which the kubelet has a role for pulling.
func (f *frame) pulledFrom() []azure.ID {
	out := slices.Clone(catalogue.Registries(f.e, f.c))
	kubelet, ok := f.e.Actor(f.c, estate.Kubelet, "")
	for g := range f.e.Policy.GrantsOf(kubelet.Principal, time.Time{}) {
		if !ok || !strings.EqualFold(g.Scope.Type(), azure.TypeResourceGroup) || !catalogue.PullRole(f.e, g.Role) {
			continue
		}
		for _, r := range f.e.Resources(estate.TypeRegistry) {
			if g.Scope.Contains(r.ID) {
				out = append(out, r.ID)
			}
		}
	}
	slices.SortFunc(out, func(x, y azure.ID) int { return strings.Compare(x.Key(), y.Key()) })
	return slices.CompactFunc(out, azure.ID.Equal)
}

// above adds the groups and subscriptions of everything so far: in one environment they are often one, in another apart.
func (f *frame) above() {
	things := slices.Clone(f.anchors)
	for _, a := range things {
		if group := a.id.GroupID(); !group.IsZero() && !group.Equal(a.id) {
			f.add("the resource group of "+a.name, group)
		}
	}
	f.add("the cluster's subscription", azure.SubscriptionID(f.c.ID.Subscription()))
	for _, a := range things {
		if sub := a.id.Subscription(); sub != "" {
			f.add("the subscription of "+a.name, azure.SubscriptionID(sub))
		}
	}
	f.addEach("a management group above the cluster", f.e.Policy.ManagementGroups(f.c.ID))
	f.add("the tenant root", azure.Root)
}

// objects adds what Kubernetes objects name: the object's counterpart names the counterpart of it.
func (f *frame) objects() {
	if f.e.Kube(f.c) == nil {
		return
	}
	for _, r := range catalogue.All() {
		for n := range r.Needs(f.e, f.c) {
			if n.Object != "" {
				f.add("the "+kindOf(n.Scope)+" for "+n.Object, n.Scope)
			}
		}
	}
}

func (f *frame) addEach(name string, ids []azure.ID) {
	for _, id := range ids {
		f.add(name, id)
	}
}

func (f *frame) add(name string, id azure.ID) {
	if !id.IsZero() && !slices.ContainsFunc(f.anchors, func(a anchor) bool { return a.name == name && a.id.Equal(id) }) {
		f.anchors = append(f.anchors, anchor{name, id})
	}
}

// called are the ids that go by a name.
func (f *frame) called(name string) (ids []azure.ID) {
	for _, a := range f.anchors {
		if a.name == name {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// names are what a scope is to the cluster, the most telling first; there is always one. What is none of the cluster's own
// things is told by its type and by where it is.
func (f *frame) names(scope azure.ID) (out []string) {
	for _, a := range f.anchors {
		if a.id.Equal(scope) {
			out = append(out, a.name)
		}
	}
	if len(out) > 0 {
		return out
	}
	kind := "a " + kindOf(scope)
	for _, a := range f.anchors {
		if a.id.Type() != azure.TypeSubscription && !a.id.Equal(azure.Root) && a.id.Contains(scope) {
			out = append(out, kind+" in "+a.name)
		}
	}
	return append(out, "another "+kindOf(scope))
}

// kindOf is a scope's type without its provider.
func kindOf(id azure.ID) string {
	switch typ := id.Type(); {
	case strings.EqualFold(typ, azure.TypeResourceGroup):
		return "resource group"
	case strings.EqualFold(typ, azure.TypeSubscription):
		return "subscription"
	case strings.EqualFold(typ, azure.TypeManagementGroup):
		return "management group"
	default:
		return "resource of type " + typ[strings.IndexByte(typ, '/')+1:]
	}
}

// counterpart is where something of another cluster would be here. Things that are not here yet are expected where they
// are there, relative to the cluster; ok is false where nothing tells where that is.
func (f *frame) counterpart(of *frame, scope azure.ID) (id azure.ID, here, ok bool) {
	for _, name := range of.names(scope) {
		if ids := f.called(name); len(ids) > 0 {
			return ids[0], true, true
		}
	}
	for above := scope.Parent(); !above.IsZero() && above.ResourceGroup() != ""; above = above.Parent() {
		rest := strings.TrimPrefix(scope.String()[len(above.String()):], "/")
		for _, name := range of.names(above) {
			if ids := f.called(name); len(ids) > 0 {
				return ids[0].Join(strings.Split(rest, "/")...), false, true
			}
		}
	}
	return azure.ID{}, false, false
}
