package drill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
)

// scene is a cluster with what a drill has to know of it.
type scene struct {
	*estate.Cluster
	estate   *estate.Estate
	operator *operator
	set      doc // the first scale set: the provider takes its network for the cluster's
	nodes    []act.Node
	table    azure.ID // with kubenet, the route table
	control  estate.Identity
	kubelet  estate.Identity
	targets
	before  picture  // how it was; nil: what is left behind is not looked for
	seen    picture  // how it is between groups: as before, but for what could not be put back
	faults  bool     // Azure fails in the middle
	journal *journal // nil: what is changed need not be put back by others
	// What AKS itself does is done in a copy of the local Azure.
	copies   Copies
	copy     *operator // nil: there is none yet
	dropCopy func() error
}

var (
	ErrNoNodes    = errors.New("it has no nodes")
	errNoIdentity = errors.New("its control plane has no identity that is known")
)

// setScene reads what a drill has to know of a cluster.
func setScene(ctx context.Context, o *operator, e *estate.Estate, c *estate.Cluster) (*scene, error) {
	s := &scene{Cluster: c, estate: e, operator: o}
	var ok bool
	if s.control, ok = e.Actor(c, estate.ControlPlane, ""); !ok || !s.control.Known() {
		return nil, errNoIdentity
	}
	if s.kubelet, ok = e.Actor(c, estate.Kubelet, ""); !ok {
		s.kubelet = s.control
	}
	err := s.readNodes(ctx)
	if err != nil {
		return nil, err
	}
	if c.Kubenet() {
		subnet, err := o.get(ctx, s.subnet())
		if err != nil {
			return nil, err
		}
		s.table = idOf(text(subnet, "properties", "routeTable", "id"))
	}
	s.targets, err = readTargets(ctx, o, e, c)
	return s, err
}

// readNodes reads the machines of the cluster's scale sets.
func (s *scene) readNodes(ctx context.Context) error {
	sets, err := s.operator.list(ctx, s.NodeGroup().Resource(estate.TypeScaleSet))
	if err != nil {
		return err
	}
	for _, set := range sets {
		id := idOf(text(set, "id"))
		machines, err := s.operator.list(ctx, id.Join("virtualMachines"))
		if err != nil {
			return err
		}
		nics, err := s.operator.list(ctx, id.Join("networkInterfaces"))
		if err != nil {
			return err
		}
		addresses := map[string]string{}
		for _, nic := range nics {
			addresses[idOf(text(nic, "properties", "virtualMachine", "id")).Key()] = text(nic, "properties", "ipConfigurations", 0, "properties", "privateIPAddress")
		}
		for _, m := range machines {
			id := idOf(text(m, "id"))
			s.nodes = append(s.nodes, act.Node{Name: text(m, "properties", "osProfile", "computerName"), ID: canonical(id), IP: addresses[id.Key()]})
		}
		if s.set == nil && len(machines) > 0 {
			s.set = set
		}
	}
	if len(s.nodes) == 0 {
		return ErrNoNodes
	}
	if s.Kubenet() {
		for i := range s.nodes {
			s.nodes[i].PodCIDR = fmt.Sprintf("10.244.%d.0/24", i)
		}
	}
	return nil
}

// canonical is a machine's id as nodes have it: the provider compares the group's name in lower case.
func canonical(machine azure.ID) string {
	return strings.Replace(machine.String(), "/"+machine.ResourceGroup()+"/", "/"+strings.ToLower(machine.ResourceGroup())+"/", 1)
}

// subnet is where the first scale set's nodes stand.
func (s *scene) subnet() azure.ID {
	return idOf(text(s.interfaceConfig(), "properties", "ipConfigurations", 0, "properties", "subnet", "id"))
}

func (s *scene) interfaceConfig() any {
	return at(s.set, "properties", "virtualMachineProfile", "networkProfile", "networkInterfaceConfigurations", 0)
}

// secretLife is longer than control planes run at a time.
const secretLife = 30 * 24 * time.Hour

// podCIDR is what pods of kubenet clusters have their addresses from.
const podCIDR = "10.244.0.0/16"

// act is the cluster as the controllers' program takes it. A service principal gets a secret for as long: forget takes it
// back.
func (s *scene) act(ctx context.Context) (c act.Cluster, forget func() error, err error) {
	c = act.Cluster{ID: s.ID.String(), Config: s.config(), Machine: s.ID.String(), Nodes: s.nodes, Elsewhere: s.elsewhere()}
	if s.Kubenet() {
		c.PodCIDR = podCIDR
	}
	if s.kubelet.Role == estate.Kubelet {
		c.Kubelet = &act.Kubelet{Machine: text(s.set, "id"), Config: s.credential(s.kubelet)}
	}
	if s.control.Role != estate.ServicePrincipal {
		return c, func() error { return nil }, nil
	}
	token, err := s.operator.bearer(ctx)
	if err != nil {
		return c, nil, err
	}
	noted := &entry{Secret: &secret{s.control.Principal, "aksid " + azure.NewGUID().String()}}
	forget = func() error {
		_, err := s.journal.undone(context.WithoutCancel(ctx), s.operator, noted)
		return err
	}
	if err := s.journal.note(noted); err != nil {
		return c, nil, err
	}
	made, err := s.operator.AddSecret(ctx, token, s.control.Principal, noted.Secret.Name, time.Now().Add(secretLife))
	if err != nil {
		return c, nil, errors.Join(err, forget())
	}
	delete(c.Config, "useManagedIdentityExtension")
	c.Config["aadClientId"], c.Config["aadClientSecret"] = s.control.Client.String(), made.Text
	return c, forget, nil
}

// config is azure.json as AKS writes it for the control plane, in the words of Kubernetes 1.29.
func (s *scene) config() map[string]any {
	subnet := s.subnet()
	config := s.credential(s.control)
	for k, v := range map[string]any{
		"resourceGroup": s.NodeGroup().Name(), "location": s.Text("location"), "vmType": "vmss", "loadBalancerSku": "standard",
		"primaryScaleSetName": text(s.set, "name"), "disableAvailabilitySetNodes": true,
		"vnetName": subnet.Parent().Name(), "vnetResourceGroup": subnet.ResourceGroup(), "subnetName": subnet.Name(),
		"securityGroupName": idOf(text(s.interfaceConfig(), "properties", "networkSecurityGroup", "id")).Name(),
	} {
		config[k] = v
	}
	if !s.table.IsZero() {
		config["routeTableName"], config["routeTableResourceGroup"] = s.table.Name(), s.table.ResourceGroup()
	}
	return config
}

// credential is the part of azure.json that says who somebody is.
func (s *scene) credential(who estate.Identity) map[string]any {
	config := map[string]any{
		"cloud": "AzurePublicCloud", "tenantId": s.operator.Tenant.String(), "subscriptionId": s.ID.Subscription(),
		"useManagedIdentityExtension": true, "useInstanceMetadata": false,
	}
	if who.Kind == estate.UserAssigned {
		config["userAssignedIdentityID"] = who.Client.String()
	}
	return config
}

// elsewhere says where networks lie that are in another subscription: the provider of 1.29 looks for them in the
// cluster's own, today's is told where they are.
func (s *scene) elsewhere() map[string]string {
	moved := map[string]string{}
	for _, id := range []azure.ID{s.subnet().Parent(), s.table} {
		if !id.IsZero() && !strings.EqualFold(id.Subscription(), s.ID.Subscription()) {
			moved[strings.Replace(id.String(), id.Subscription(), s.ID.Subscription(), 1)] = id.String()
		}
	}
	return moved
}

// patience bounds a step: far more than one takes.
const patience = time.Minute
