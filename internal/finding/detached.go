package finding

import (
	"fmt"
	"strings"

	"aksid/internal/estate"
)

var identityDetached = Rule{
	ID:    "kubelet-identity-detached",
	Title: "Nodes lack the kubelet identity",
	Why: "A node gets tokens only for identities that are attached to its scale set. Without the kubelet's, image pulls fail " +
		"with 401 however right the roles are.",
	Source:   "cannot-pull-image-from-acr-to-aks-cluster, aad-pod-identity#987",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		id, ok := p.Estate.Actor(p.Cluster, estate.Kubelet, "")
		if !ok || id.Resource.IsZero() {
			return
		}
		var without []string
		for _, set := range p.Estate.ScaleSets(p.Cluster) {
			if !set.HasIdentity(id.Resource) {
				without = append(without, set.ID.Name())
			}
		}
		if len(without) == 0 {
			return
		}
		p.Report(Finding{
			Title:     "image pulls fail with 401 on some nodes, or on all",
			Detail:    fmt.Sprintf("kubelet identity %s is not attached to %s", id.Name, strings.Join(without, ", ")),
			Principal: id.Principal, Scope: id.Resource, explains: p.needsOf(id),
			Remedy: []estate.Change{estate.Reconcile{Cluster: p.Cluster.ID}},
		})
	},
}
