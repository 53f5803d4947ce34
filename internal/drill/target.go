package drill

import (
	"context"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// targets are the resources outside of a cluster that its workloads use, as its Kubernetes objects name them.
type targets struct {
	addresses  []azure.ID        // public IPs of services, in other resource groups
	ips        map[string]string // their addresses, by key
	disks      []azure.ID        // of volumes, in other resource groups
	frontends  []string          // names of subnets that internal services are to stand in
	registries []azure.ID        // that nodes pull from
}

const (
	annotationGroup    = "service.beta.kubernetes.io/azure-load-balancer-resource-group"
	annotationInternal = "service.beta.kubernetes.io/azure-load-balancer-internal"
	annotationSubnet   = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet"
)

func readTargets(ctx context.Context, o *operator, e *estate.Estate, c *estate.Cluster) (targets, error) {
	t := targets{ips: map[string]string{}, registries: registriesOf(e, c)}
	for _, pv := range e.Kube(c).Of("PersistentVolume") {
		disk := idOf(pv.Text("spec.csi.volumeHandle"))
		if strings.EqualFold(disk.Type(), disks) && !c.NodeGroup().Contains(disk) && strings.EqualFold(disk.Subscription(), c.ID.Subscription()) {
			t.disks = append(t.disks, disk)
		}
	}
	for _, svc := range e.Kube(c).Of("Service") {
		if name := svc.Annotation(annotationSubnet); svc.Annotation(annotationInternal) == "true" && name != "" && !strings.Contains(name, "/") {
			t.frontends = append(t.frontends, name)
		}
		group, ip := svc.Annotation(annotationGroup), svc.Text("spec.loadBalancerIP")
		if group == "" || ip == "" {
			continue
		}
		all, err := o.list(ctx, azure.SubscriptionID(c.ID.Subscription()).Join("resourceGroups", group).Resource(publicIPs))
		if err != nil {
			return t, err
		}
		for _, d := range all {
			if id := idOf(text(d, "id")); text(d, "properties", "ipAddress") == ip && t.ips[id.Key()] == "" {
				t.addresses = append(t.addresses, id)
				t.ips[id.Key()] = ip
			}
		}
	}
	return t, nil
}

// subnets are those of the nodes' network that internal services are to stand in, without the nodes' own.
func (s *scene) subnets() (all []azure.ID) {
	for _, name := range s.frontends {
		id := s.subnet().Parent().Join("subnets", name)
		if !id.Equal(s.subnet()) && !slices.ContainsFunc(all, id.Equal) {
			all = append(all, id)
		}
	}
	return all
}

// registriesOf are the registries that nodes pull from: those that the catalogue has a need for, and those that are named
// and need nothing, as everybody may pull from them.
func registriesOf(e *estate.Estate, c *estate.Cluster) []azure.ID {
	hosts := e.Kube(c).ImageHosts()
	needed := map[string]bool{}
	for _, r := range catalogue.All() {
		if r.Actor != estate.Kubelet {
			continue
		}
		for need := range r.Needs(e, c) {
			needed[need.Scope.Key()] = true
		}
	}
	var out []azure.ID
	for _, r := range e.Resources(estate.TypeRegistry) {
		named := slices.ContainsFunc(e.Registries, r.ID.Equal) || slices.Contains(hosts, strings.ToLower(e.LoginServer(r.ID)))
		if named || needed[r.ID.Key()] {
			out = append(out, r.ID)
		}
	}
	return out
}
