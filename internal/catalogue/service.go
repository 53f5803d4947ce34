package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// annotations of Services that the cloud provider reads (cloud-provider-azure, LoadBalancer annotations).
const (
	annotationGroup             = "service.beta.kubernetes.io/azure-load-balancer-resource-group"
	annotationInternal          = "service.beta.kubernetes.io/azure-load-balancer-internal"
	annotationInternalSubnet    = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet"
	annotationPrivateLink       = "service.beta.kubernetes.io/azure-pls-create"
	annotationPrivateLinkSubnet = "service.beta.kubernetes.io/azure-pls-ip-configuration-subnet"
)

// loadBalanced are the Services that get a load balancer.
func loadBalanced(e *estate.Estate, c *estate.Cluster) []estate.KubeObject {
	return slices.DeleteFunc(e.Kube(c).Of("Service"), func(o estate.KubeObject) bool { return o.Text("spec.type") != "LoadBalancer" })
}

// perObject makes a need of every object, at the scope that is told of it; a zero scope is no need.
func perObject(objects []estate.KubeObject, need Need, scope func(estate.KubeObject) azure.ID) iter.Seq[Need] {
	return func(yield func(Need) bool) {
		seen := map[string]bool{"": true}
		for _, o := range objects {
			n := need
			if n.Scope = scope(o); !seen[n.Scope.Key()] {
				n.Target, n.Object = o.String(), Named(o)
				if !yield(n) {
					return
				}
			}
			seen[n.Scope.Key()] = true
		}
	}
}

// serviceAddress: the cloud provider lists the addresses of the resource group that a Service names, and joins the one it finds.
var serviceAddress = Requirement{
	ID:      "service-address",
	Feature: "public IPs of Services in another resource group",
	Breaks:  "service {target} stays pending: 403 on publicIPAddresses/read",
	Source:  "static-ip, cloud-provider-azure",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Ingress},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(loadBalanced(e, c), Need{
			Actions: verbs("Microsoft.Network/publicIPAddresses", "read", "join/action"), Phase: Runtime, Certainty: Now, Role: roleNetworkContributor,
		}, func(o estate.KubeObject) azure.ID { return foreignGroup(c, o.Annotation(annotationGroup)) })
	},
}

// foreignGroup is a resource group of the cluster's subscription, unless it is the node resource group.
func foreignGroup(c *estate.Cluster, name string) azure.ID {
	if name == "" || strings.ContainsAny(name, "/\\") {
		return azure.ID{}
	}
	group := azure.SubscriptionID(c.ID.Subscription()).Join("resourceGroups", name)
	if group.Equal(c.NodeGroup()) {
		return azure.ID{}
	}
	return group
}

// serviceSubnet: an internal load balancer may stand in another subnet than the nodes.
var serviceSubnet = Requirement{
	ID:      "service-subnet",
	Feature: "internal load balancers in another subnet than the nodes",
	Breaks:  "service {target} stays pending: 403 on the subnet",
	Source:  "internal-lb",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Ingress},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(loadBalanced(e, c), Need{Actions: subnetActions, Phase: Runtime, Certainty: Now, Role: roleNetworkContributor},
			func(o estate.KubeObject) azure.ID {
				subnet := neighbour(c, o.Annotation(annotationInternalSubnet))
				if o.Annotation(annotationInternal) != "true" || slices.ContainsFunc(c.Subnets(), subnet.Equal) {
					return azure.ID{} // that of the nodes is needed anyway
				}
				return subnet
			})
	},
}

// neighbour is a subnet by its name, in the virtual network of the nodes; the zero ID where AKS made that.
func neighbour(c *estate.Cluster, name string) azure.ID {
	nodes := c.NodeSubnets()
	if name == "" || strings.Contains(name, "/") || len(nodes) == 0 {
		return azure.ID{}
	}
	return nodes[0].Parent().Join("subnets", name)
}

// privateLinkSubnet: the cloud provider switches network policies off on the subnet of a private link service.
var privateLinkSubnet = Requirement{
	ID:      "private-link-subnet",
	Feature: "private link services of Services",
	Breaks:  "service {target} gets no private link service: 403 on the subnet",
	Source:  "cloud-provider-azure, Azure Private Link Service Integration",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Ingress},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return perObject(loadBalanced(e, c), Need{
			Actions: verbs(estate.TypeSubnet, "read", "write", "join/action"), Phase: Runtime, Certainty: Now, Role: roleNetworkContributor,
		}, func(o estate.KubeObject) azure.ID {
			if o.Annotation(annotationPrivateLink) != "true" {
				return azure.ID{}
			}
			if subnet := neighbour(c, o.Annotation(annotationPrivateLinkSubnet)); !subnet.IsZero() {
				return subnet
			}
			if nodes := c.NodeSubnets(); len(nodes) > 0 {
				return nodes[0]
			}
			return azure.ID{}
		})
	},
}
