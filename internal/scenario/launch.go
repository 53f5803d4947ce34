package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// launch is a cluster of the game as code: a template that makes its identities, gives them their roles and makes the cluster.
type launch struct {
	name  string
	group azure.ID        // of the cluster
	disk  azure.ID        // of its world
	roles json.RawMessage // the template that fix has generated; nil before
}

const typeDeployment = "Microsoft.Resources/deployments"

// identity is the id of one of the cluster's identities: aks for the control plane, kubelet for the nodes.
func (l launch) identity(g *game, of string) azure.ID {
	return g.identities.Resource(typeIdentity, "id-"+l.name+"-"+of)
}

// template is what is reviewed and deployed, at the subscription.
func (l launch) template(g *game) doc {
	resources := []doc{l.nested("identities", g.identities, nil, l.pair(g)...)}
	after := []string{inGroup(g.identities, l.name+"-identities")}
	if l.roles != nil {
		resources = append(resources, doc{"type": typeDeployment, "apiVersion": "2022-09-01", "name": l.name + "-roles", "location": location, "dependsOn": after,
			"properties": doc{"mode": "Incremental", "expressionEvaluationOptions": doc{"scope": "inner"}, "template": l.roles}})
		after = append(after, fmt.Sprintf("[subscriptionResourceId('%s', '%s-roles')]", typeDeployment, l.name))
	}
	resources = append(resources, l.nested("cluster", l.group, after, l.cluster(g)))
	return doc{"$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": resources}
}

// nested is a deployment to a resource group within the one to the subscription.
func (l launch) nested(part string, group azure.ID, after []string, resources ...doc) doc {
	d := doc{"type": typeDeployment, "apiVersion": "2022-09-01", "name": l.name + "-" + part, "resourceGroup": group.Name(), "properties": doc{
		"mode": "Incremental", "expressionEvaluationOptions": doc{"scope": "inner"}, "template": doc{
			"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": resources}}}
	if after != nil {
		d["dependsOn"] = after
	}
	return d
}

func inGroup(group azure.ID, deployment string) string {
	return fmt.Sprintf("[resourceId('%s', '%s', '%s', '%s')]", group.Subscription(), group.Name(), typeDeployment, deployment)
}

func (l launch) pair(g *game) []doc {
	var out []doc
	for _, of := range []string{"aks", "kubelet"} {
		out = append(out, doc{"type": typeIdentity, "apiVersion": "2023-01-31", "name": l.identity(g, of).Name(), "location": location})
	}
	return out
}

func (l launch) cluster(g *game) doc {
	kubelet := l.identity(g, "kubelet").String()
	reference := func(field string) string { return fmt.Sprintf("[reference('%s', '2023-01-31').%s]", kubelet, field) }
	return doc{"type": typeCluster, "apiVersion": "2024-09-01", "name": l.name, "location": location, "identity": userAssignedIdentity(l.identity(g, "aks")), "properties": doc{
		"dnsPrefix": l.name, "agentPoolProfiles": []doc{gamePool()},
		"identityProfile": doc{"kubeletidentity": doc{"resourceId": kubelet, "clientId": reference("clientId"), "objectId": reference("principalId")}},
	}}
}

func gamePool() doc {
	return doc{"name": "system", "mode": "System", "count": 3, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets"}
}

// arguments are those of check and fix about the template, in a folder with what az prints of the registry.
func (l launch) arguments(g *game, command string, more ...string) []string {
	return append([]string{command, "--from", filepath.Join(g.Folder, l.name), "--subscription", g.sub.Name(),
		"--registry", g.registry.Name(), "--kube", filepath.Join(g.Folder, l.volumesFile())}, more...)
}

func (l launch) volumesFile() string { return l.name + "-volumes.json" }

// prepare makes the disk of its world and writes what kubectl and az print of its volumes and its registry.
func (l launch) prepare(ctx context.Context, g *game) error {
	err := g.build(ctx, g.platform, resource{l.disk, doc{"sku": doc{"name": "Premium_LRS"}, "properties": doc{"diskSizeGB": 64, "creationData": doc{"createOption": "Empty"}}}})
	if err != nil {
		return err
	}
	var registry doc
	if err := g.get(ctx, g.reader, g.registry, &registry); err != nil {
		return err
	}
	return errors.Join(g.file(l.name+"/gameacr.json", registry), g.file(l.volumesFile(), volumes(l.disk)))
}

// generate has fix generate the roles, and writes the template with them. Nothing of it is there yet.
func (l *launch) generate(ctx context.Context, g *game, aksid func(context.Context, run) (string, error)) error {
	if err := g.file(l.name+"/main.json", l.template(g)); err != nil {
		return err
	}
	roles, err := aksid(ctx, run{args: l.arguments(g, "fix", "-o", "arm"), into: "roles.json"})
	if err != nil {
		return err
	}
	l.roles = json.RawMessage(roles)
	return g.file(l.name+"/main.json", l.template(g))
}

// deploy deploys the template and waits for the cluster.
func (l launch) deploy(ctx context.Context, g *game) (*cluster, error) {
	id := g.sub.Resource(typeDeployment, l.name)
	body := doc{"location": location, "properties": doc{"mode": "Incremental", "template": l.template(g)}}
	if err := g.put(ctx, g.pipeline, id, body, nil); err != nil {
		return nil, err
	}
	for {
		var d struct {
			Properties struct {
				ProvisioningState string
				Error             json.RawMessage
			}
		}
		if err := g.call(ctx, g.pipeline, http.MethodGet, local.PathOf(id), nil, &d); err != nil {
			return nil, err
		}
		switch d.Properties.ProvisioningState {
		case "Succeeded":
			return g.await(ctx, g.pipeline, l.group.Resource(typeCluster, l.name))
		case "Failed", "Canceled":
			return nil, fmt.Errorf("the deployment of %s ended as %s: %s", l.name, d.Properties.ProvisioningState, strings.TrimSpace(string(d.Properties.Error)))
		}
		if err := pause(ctx, pace); err != nil {
			return nil, err
		}
	}
}
