package drill

import (
	"context"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
)

// Operation is something that Kubernetes does in Azure for a cluster.
type Operation struct {
	Name  string
	Group string // what belongs together: --only takes names and groups
	Title string // {target} stands for what it is about
	After string // the operation that must have worked before
	Actor estate.IdentityRole
	Waits string // how long until an event tells of a refusal, where that is not at once
	// targets are what it is done with, one after the other: none where the cluster's shape does not allow it.
	targets func(*scene) []azure.ID
	touches func(*scene, azure.ID) []touch
	step    func(*scene, azure.ID) act.Step
	manage  func(context.Context, *operator, *scene, azure.ID) error // in place of a step: what AKS itself does
	older   []older
}

// older is a right on the target that the code of Kubernetes 1.29 takes and today's does not: the catalogue knows nothing
// of it. Each stands in docs/divergences.md.
type older struct{ typ, verb, why string }

// touch is a kind of resource that an operation deals with, and how. It is coarser than a list of rights: which rights
// it takes is what the catalogue says of these resources.
type touch struct {
	typ    string
	verbs  string              // separated by blanks: read, write, delete, or what is before /action
	where  func(azure.ID) bool // nil: wherever the catalogue says
	linked bool                // Azure asks for the right and does not touch the resource: a lock does not matter
}

// covers reports whether a need of the catalogue is about what is touched.
func (t touch) covers(a azure.Action, scope azure.ID) bool {
	if !strings.EqualFold(a.Type(), t.typ) || t.where != nil && !t.where(scope) {
		return false
	}
	verb := strings.TrimSuffix(strings.ToLower(string(a)[len(t.typ)+1:]), "/action")
	return slices.Contains(strings.Fields(t.verbs), verb)
}

const (
	loadBalancers  = "Microsoft.Network/loadBalancers"
	publicIPs      = "Microsoft.Network/publicIPAddresses"
	publicPrefixes = "Microsoft.Network/publicIPPrefixes"
	securityGroups = "Microsoft.Network/networkSecurityGroups"
	scaleSets      = estate.TypeScaleSet
	instances      = scaleSets + "/virtualMachines"
	instanceNICs   = instances + "/networkInterfaces"
	disks          = "Microsoft.Compute/disks"
	encryptionSets = "Microsoft.Compute/diskEncryptionSets"
)

// Operations are all that a drill can do, in the order in which it does them.
func Operations() []*Operation { return operations }

var operations = []*Operation{
	{
		Name: "external-service", Group: "external", Title: "external LoadBalancer service",
		targets: always, touches: externalService(true), step: service("drill-external", act.Step{}),
	},
	{
		Name: "second-service", Group: "external", Title: "second external service", After: "external-service",
		targets: always, touches: externalService(true), step: service("drill-second", act.Step{}),
	},
	{
		Name: "second-service-deletion", Group: "external", Title: "deletion of one of two external services", After: "second-service",
		targets: always, touches: secondDeletion, step: remove("drill-second"),
	},
	{
		Name: "external-service-deletion", Group: "external", Title: "deletion of the last external service", After: "external-service",
		targets: always, touches: externalService(false), step: remove("drill-external"),
	},
	{
		Name: "internal-service", Group: "internal", Title: "internal LoadBalancer service",
		targets: always, touches: internalService(true), step: service("drill-internal", act.Step{Internal: true}),
	},
	{
		Name: "internal-service-deletion", Group: "internal", Title: "deletion of the internal service", After: "internal-service",
		targets: always, touches: internalService(false), step: remove("drill-internal"),
	},
	{
		Name: "subnet-service", Group: "subnet", Title: "internal LoadBalancer service in subnet {target}",
		targets: func(s *scene) []azure.ID { return s.subnets() }, touches: subnetService(true),
		step: func(_ *scene, id azure.ID) act.Step {
			return act.Step{Kind: act.CreateService, Name: "drill-in-subnet", Internal: true, Subnet: id.Name()}
		},
	},
	{
		Name: "subnet-service-deletion", Group: "subnet", Title: "deletion of the service in subnet {target}", After: "subnet-service",
		targets: func(s *scene) []azure.ID { return s.subnets() }, touches: subnetService(false), step: remove("drill-in-subnet"),
	},
	{
		Name: "static-ip-service", Group: "static-ip", Title: "external service with address {target}",
		targets: func(s *scene) []azure.ID { return s.addresses },
		touches: staticService(true), older: []older{{publicIPs, "write", "Kubernetes 1.29 writes a tag on the user's address; today's provider leaves it alone"}},
		step: func(s *scene, id azure.ID) act.Step {
			return act.Step{Kind: act.CreateService, Name: "drill-static", Group: id.ResourceGroup(), IP: s.ips[id.Key()]}
		},
	},
	{
		Name: "static-ip-service-deletion", Group: "static-ip", Title: "deletion of the service with address {target}", After: "static-ip-service",
		targets: func(s *scene) []azure.ID { return s.addresses },
		touches: staticService(false), step: remove("drill-static"),
		older: []older{{publicIPs, "write", "Kubernetes 1.29 takes its tag off the user's address"}},
	},
	{
		Name: "node-join", Group: "route", Title: "routes for nodes that join",
		Waits:   "up to 30 s, for which the provider collects changes of routes",
		targets: kubenet, touches: routes, step: func(*scene, azure.ID) act.Step { return act.Step{Kind: act.JoinNodes} },
	},
	{
		Name: "route-deletion", Group: "route", Title: "removal of the routes of nodes that are gone", After: "node-join",
		targets: kubenet, touches: routes, step: func(*scene, azure.ID) act.Step { return act.Step{Kind: act.DropRoutes} },
	},
	{
		Name: "node-leave", Group: "node", Title: "removal of a node whose machine is gone",
		targets: always, touches: leave, step: func(*scene, azure.ID) act.Step { return act.Step{Kind: act.LeaveNode} },
	},
	{
		Name: "disk", Group: "disk", Title: "volume on a new disk",
		targets: always,
		touches: func(s *scene, _ azure.ID) []touch {
			return []touch{{typ: disks, verbs: "read write", where: s.inNodeGroup}, {typ: encryptionSets, verbs: "read"}}
		},
		step: func(s *scene, _ azure.ID) act.Step {
			return act.Step{Kind: act.CreateDisk, Name: "drill-disk", Group: s.NodeGroup().Name(), DiskEncryptionSet: s.Text("properties.diskEncryptionSetID")}
		},
	},
	{
		Name: "disk-attach", Group: "disk", Title: "attaching the disk to a node", After: "disk",
		targets: always, touches: attach, step: attachStep(act.AttachDisk),
	},
	{
		Name: "disk-detach", Group: "disk", Title: "detaching the disk", After: "disk-attach",
		targets: always, touches: detach, step: attachStep(act.DetachDisk),
	},
	{
		Name: "disk-deletion", Group: "disk", Title: "deletion of the volume", After: "disk",
		targets: always,
		touches: func(s *scene, _ azure.ID) []touch {
			return []touch{{typ: disks, verbs: "read delete", where: s.inNodeGroup}}
		},
		step: func(s *scene, _ azure.ID) act.Step { return act.Step{Kind: act.DeleteDisk, Disk: s.ownDisk().String()} },
	},
	{
		Name: "static-disk-attach", Group: "static-disk", Title: "attaching disk {target}",
		targets: func(s *scene) []azure.ID { return s.disks }, touches: attach, step: attachStep(act.AttachDisk),
	},
	{
		Name: "static-disk-detach", Group: "static-disk", Title: "detaching disk {target}", After: "static-disk-attach",
		targets: func(s *scene) []azure.ID { return s.disks }, touches: detach, step: attachStep(act.DetachDisk),
	},
	{
		Name: "image-pull", Group: "image", Title: "image pull from {target}", Actor: estate.Kubelet,
		targets: func(s *scene) []azure.ID { return s.registries },
		touches: func(_ *scene, registry azure.ID) []touch {
			return []touch{
				{typ: estate.TypeRegistry + "/pull", verbs: "read", where: registry.Equal},
				{typ: estate.TypeRegistry + "/repositories/content", verbs: "read", where: registry.Equal},
				{typ: estate.TypeRegistry + "/repositories/metadata", verbs: "read", where: registry.Equal},
			}
		},
		step: func(s *scene, registry azure.ID) act.Step {
			return act.Step{Kind: act.PullImage, Image: s.estate.LoginServer(registry) + "/drill:1"}
		},
	},
	{
		Name: "scale-out", Group: "scale", Title: "one node more in pool {target}",
		targets: poolTargets, touches: grow, manage: scaleOut,
	},
	{
		Name: "upgrade", Group: "upgrade", Title: "upgrade of Kubernetes",
		targets: always, touches: func(s *scene, _ azure.ID) []touch { return checked(s) }, manage: upgrade,
	},
	{
		Name: "private-name", Group: "private-name", Title: "name of the API server in zone {target}",
		targets: privateName, touches: nameTouches, manage: rename,
	},
}

func always(*scene) []azure.ID { return []azure.ID{{}} }

// kubenet clusters alone have routes for their nodes.
func kubenet(s *scene) []azure.ID {
	if !s.Kubenet() || s.table.IsZero() {
		return nil
	}
	return always(s)
}

func service(name string, step act.Step) func(*scene, azure.ID) act.Step {
	step.Kind, step.Name = act.CreateService, name
	return func(*scene, azure.ID) act.Step { return step }
}

func remove(name string) func(*scene, azure.ID) act.Step {
	return func(*scene, azure.ID) act.Step { return act.Step{Kind: act.DeleteService, Name: name} }
}

func attachStep(kind act.Kind) func(*scene, azure.ID) act.Step {
	return func(s *scene, id azure.ID) act.Step {
		if id.IsZero() {
			id = s.ownDisk()
		}
		return act.Step{Kind: kind, Disk: id.String(), Node: s.nodes[0].Name}
	}
}

// externalService: the load balancer that AKS made for outbound traffic has the nodes in its pool, and keeps its own
// frontends; elsewhere the provider makes one, and puts the nodes into its pool.
func externalService(create bool) func(*scene, azure.ID) []touch {
	return func(s *scene, _ azure.ID) []touch {
		verbs := "read write join"
		if !create {
			verbs = "read delete"
		}
		t := []touch{{typ: publicIPs, verbs: verbs, where: s.inNodeGroup}, {typ: securityGroups, verbs: "read write", where: s.inNodeGroup}}
		if s.outbound() {
			return append(t, touch{typ: loadBalancers, verbs: "read write"}, touch{typ: scaleSets, verbs: "read"}, touch{typ: instances, verbs: "read"},
				touch{typ: publicIPs, verbs: "join", where: s.isOutbound}, touch{typ: publicPrefixes, verbs: "join", where: s.isOutbound})
		}
		return append(t, s.membership(create)...)
	}
}

// secondDeletion: the load balancer stays, with the address of the other service.
func secondDeletion(s *scene, _ azure.ID) []touch {
	return []touch{
		{typ: loadBalancers, verbs: "read write"}, {typ: publicIPs, verbs: "read delete join", where: s.inNodeGroup}, {typ: securityGroups, verbs: "read write", where: s.inNodeGroup},
		{typ: publicIPs, verbs: "join", where: s.isOutbound}, {typ: publicPrefixes, verbs: "join", where: s.isOutbound},
	}
}

// membership is a load balancer that comes and goes with its services, and the nodes in its pool.
func (s *scene) membership(create bool) []touch {
	verbs := "read write"
	if !create {
		verbs = "read write delete"
	}
	t := []touch{
		{typ: loadBalancers, verbs: verbs}, {typ: loadBalancers + "/backendAddressPools", verbs: "join"},
		{typ: scaleSets, verbs: "read write"}, {typ: instances, verbs: "read write"},
		{typ: securityGroups, verbs: "join", where: s.inNodeGroup},
	}
	return append(t, touch{typ: estate.TypeSubnet, verbs: "join", where: s.holdsNodes})
}

func internalService(create bool) func(*scene, azure.ID) []touch {
	return func(s *scene, _ azure.ID) []touch { return s.internal(create, s.subnet(), "read") }
}

// subnetService: the frontend stands in another subnet than the nodes.
func subnetService(create bool) func(*scene, azure.ID) []touch {
	return func(s *scene, subnet azure.ID) []touch { return s.internal(create, subnet, "read join") }
}

// internal: the provider reads the subnet of the frontend that it makes.
func (s *scene) internal(create bool, subnet azure.ID, verbs string) []touch {
	t := append(s.membership(create), touch{typ: publicIPs, verbs: "read", where: s.inNodeGroup}, touch{typ: securityGroups, verbs: "read", where: s.inNodeGroup})
	if create {
		t = append(t, touch{typ: estate.TypeSubnet, verbs: verbs, where: func(scope azure.ID) bool { return scope.Contains(subnet) }})
	}
	return t
}

// staticService: the address is the user's, and stays.
func staticService(create bool) func(*scene, azure.ID) []touch {
	return func(s *scene, address azure.ID) []touch {
		t := externalService(create)(s, address)
		around := func(scope azure.ID) bool { return scope.Contains(address) }
		return append(t[1:], touch{typ: publicIPs, verbs: "read join", where: around})
	}
}

func routes(s *scene, _ azure.ID) []touch {
	return []touch{
		{typ: estate.TypeRouteTable, verbs: "read write", where: func(scope azure.ID) bool { return scope.Contains(s.table) }},
		{typ: scaleSets, verbs: "read"}, {typ: instances, verbs: "read"}, {typ: instanceNICs, verbs: "read"},
	}
}

func leave(*scene, azure.ID) []touch {
	return []touch{{typ: instances, verbs: "read"}}
}

func attach(s *scene, disk azure.ID) []touch {
	return append(detach(s, disk), touch{typ: disks, verbs: "read", where: s.diskAt(disk)}, touch{typ: disks, verbs: "write", where: s.diskAt(disk), linked: true})
}

func detach(*scene, azure.ID) []touch {
	return []touch{{typ: scaleSets, verbs: "read"}, {typ: instances, verbs: "read write"}}
}

// diskAt reports whether a need is about a disk: the user's, or one of the drill's own.
func (s *scene) diskAt(disk azure.ID) func(azure.ID) bool {
	if disk.IsZero() {
		disk = s.ownDisk()
	}
	return func(scope azure.ID) bool { return scope.Contains(disk) }
}

func (s *scene) inNodeGroup(scope azure.ID) bool { return s.NodeGroup().Contains(scope) }

// holdsNodes reports whether a scope is a subnet that nodes stand in, or, where AKS made that, its resource group.
func (s *scene) holdsNodes(scope azure.ID) bool {
	return scope.Contains(s.subnet()) || slices.ContainsFunc(s.NodeSubnets(), scope.Equal)
}

// isOutbound reports whether outbound addresses lie in a scope: the user's, or those that AKS made in its resource group.
func (s *scene) isOutbound(scope azure.ID) bool {
	brought := s.OutboundIPs()
	return slices.ContainsFunc(brought, scope.Equal) || len(brought) == 0 && s.inNodeGroup(scope)
}

// outbound reports whether AKS made the load balancer that external services share.
func (s *scene) outbound() bool {
	t := s.Text("properties.networkProfile.outboundType")
	return t == "" || strings.EqualFold(t, "loadBalancer")
}
