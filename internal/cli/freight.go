package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
	"aksid/internal/rbac"
)

// freight is the freight company's estate, and what its people and machines do there: each by its own credential, over HTTPS.
type freight struct {
	az       *local.Azure
	now      func() time.Time
	operator string // token of the Owner of both subscriptions
	pipeline string // token of the old pipeline

	hub, platform    azure.ID // resource groups
	subnet, routes   azure.ID
	identity         azure.ID // the control plane's
	registry, prod   azure.ID
	nodes, kubeletID azure.ID
	control, kubelet azure.PrincipalID
}

const (
	clusterName  = "freight-prod"
	registryName = "freightacr"
	location     = "westeurope"
)

// API versions that the calls are made with.
var versions = map[string]string{
	azure.TypeResourceGroup:                            "2021-04-01",
	"Microsoft.Network/virtualNetworks":                "2023-04-01",
	"Microsoft.Network/routeTables":                    "2023-04-01",
	"Microsoft.Network/loadBalancers":                  "2023-04-01",
	"Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
	"Microsoft.ContainerRegistry/registries":           "2023-07-01",
	"Microsoft.ContainerService/managedClusters":       "2022-11-01",
	"Microsoft.Compute/virtualMachineScaleSets":        "2022-08-01",
	"Microsoft.Authorization/roleAssignments":          "2022-04-01",
}

// doc is a JSON object.
type doc = map[string]any

func newFreight(ctx context.Context, az *local.Azure, now func() time.Time) (*freight, error) {
	if len(az.Subscriptions) < 2 {
		return nil, fmt.Errorf("the local Azure has %d subscriptions instead of two", len(az.Subscriptions))
	}
	operator, err := az.Token(ctx, az.Operator)
	if err != nil {
		return nil, err
	}
	f := &freight{az: az, now: now, operator: operator}
	f.platform = azure.SubscriptionID(az.Subscriptions[0].ID).Join("resourceGroups", "rg-platform")
	f.hub = azure.SubscriptionID(az.Subscriptions[1].ID).Join("resourceGroups", "rg-hub")
	f.routes = f.hub.Resource("Microsoft.Network/routeTables", "rt-aks")
	f.subnet = f.hub.Resource("Microsoft.Network/virtualNetworks/subnets", "vnet-hub", "snet-aks")
	f.identity = f.platform.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id-freight-aks")
	f.registry = f.platform.Resource("Microsoft.ContainerRegistry/registries", registryName)
	f.prod = f.platform.Resource("Microsoft.ContainerService/managedClusters", clusterName)
	return f, nil
}

// at is the path and query of a resource.
func at(id azure.ID, typ string) string {
	return (&url.URL{Path: id.String(), RawQuery: "api-version=" + versions[typ]}).String()
}

func (f *freight) put(ctx context.Context, token string, id azure.ID, body doc, out any) error {
	return f.az.Call(ctx, token, http.MethodPut, at(id, id.Type()), body, out)
}

// build makes resources as the operator, one after the other.
func (f *freight) build(ctx context.Context, resources ...resource) error {
	for _, r := range resources {
		r.body["location"] = location
		if err := f.put(ctx, f.operator, r.id, r.body, nil); err != nil {
			return err
		}
	}
	return nil
}

type resource struct {
	id   azure.ID
	body doc
}

func (f *freight) buildHub(ctx context.Context) error {
	return f.build(ctx,
		resource{f.hub, doc{}},
		resource{f.routes, doc{"properties": doc{}}},
		resource{f.subnet.Parent(), doc{"properties": doc{
			"addressSpace": doc{"addressPrefixes": []string{"10.10.0.0/16"}},
			"subnets": []doc{{"name": f.subnet.Name(), "properties": doc{
				"addressPrefix": "10.10.1.0/24", "routeTable": doc{"id": f.routes.String()},
			}}},
		}}},
	)
}

func (f *freight) buildPlatform(ctx context.Context) error {
	if err := f.build(ctx, resource{f.platform, doc{}}, resource{f.registry, doc{"sku": doc{"name": "Standard"}, "properties": doc{}}}); err != nil {
		return err
	}
	var made struct {
		Properties struct {
			PrincipalID azure.PrincipalID `json:"principalId"`
		}
	}
	err := f.put(ctx, f.operator, f.identity, doc{"location": location}, &made)
	f.control = made.Properties.PrincipalID
	return err
}

// buildPipeline makes an application with a service principal, as old automation has it, and logs in as that.
func (f *freight) buildPipeline(ctx context.Context) error {
	var app struct {
		AppID azure.GUID `json:"appId"`
	}
	if err := f.az.Call(ctx, f.operator, http.MethodPost, "/v1.0/applications", doc{"displayName": "freight-pipeline"}, &app); err != nil {
		return err
	}
	var sp local.Principal
	if err := f.az.Call(ctx, f.operator, http.MethodPost, "/v1.0/servicePrincipals", doc{"appId": app.AppID}, &sp); err != nil {
		return err
	}
	secret, err := f.az.AddSecret(ctx, f.operator, sp.ID, "pipeline", f.now().AddDate(1, 0, 0))
	if err != nil {
		return err
	}
	for _, group := range []azure.ID{f.hub, f.platform} {
		if err := f.grant(ctx, "Contributor", sp.ID, group.Parent()); err != nil {
			return err
		}
	}
	f.pipeline, err = f.az.Token(ctx, local.Credential{ClientID: sp.AppID, Tenant: f.az.Tenant, Secret: secret.Text})
	return err
}

// grant assigns a built-in role, by name.
func (f *freight) grant(ctx context.Context, role string, to azure.PrincipalID, scope azure.ID) error {
	r, ok := rbac.BuiltInRole(role)
	if !ok {
		return fmt.Errorf("there is no built-in role %s", role)
	}
	id := scope.Resource("Microsoft.Authorization/roleAssignments", azure.NewGUID().String())
	definition := azure.SubscriptionID(scope.Subscription()).Resource("Microsoft.Authorization/roleDefinitions", r.ID.String())
	return f.put(ctx, f.operator, id, doc{"properties": doc{
		"roleDefinitionId": definition.String(), "principalId": to, "principalType": "ServicePrincipal",
	}}, nil)
}

// createCluster is the pipeline's call.
func (f *freight) createCluster(ctx context.Context) error {
	return f.put(ctx, f.pipeline, f.prod, doc{
		"location": location,
		"identity": doc{"type": "UserAssigned", "userAssignedIdentities": doc{f.identity.String(): doc{}}},
		"properties": doc{
			"dnsPrefix":         clusterName,
			"agentPoolProfiles": []doc{{"name": "system", "mode": "System", "count": 3, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets", "vnetSubnetID": f.subnet.String()}},
			"networkProfile":    doc{"networkPlugin": "kubenet", "podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"},
		},
	}, nil)
}

// pace is how often the cluster is asked whether it is ready.
const pace = 50 * time.Millisecond

// awaitCluster waits until AKS is done and reads what it has made.
func (f *freight) awaitCluster(ctx context.Context) error {
	var c struct {
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
			NodeResourceGroup string `json:"nodeResourceGroup"`
			IdentityProfile   map[string]struct {
				ResourceID azure.ID          `json:"resourceId"`
				ObjectID   azure.PrincipalID `json:"objectId"`
			} `json:"identityProfile"`
		}
	}
	for {
		if err := f.az.Call(ctx, f.operator, http.MethodGet, at(f.prod, f.prod.Type()), nil, &c); err != nil {
			return err
		}
		switch p := c.Properties; p.ProvisioningState {
		case "Succeeded":
			kubelet := p.IdentityProfile["kubeletidentity"]
			f.kubeletID, f.kubelet = kubelet.ResourceID, kubelet.ObjectID
			f.nodes = f.platform.Parent().Join("resourceGroups", p.NodeResourceGroup)
			return nil
		case "Failed", "Canceled":
			return fmt.Errorf("the creation of %s ended as %s", clusterName, p.ProvisioningState)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
	}
}

// putLoadBalancer does what the cloud controller manager does for an internal Service of type LoadBalancer.
func (f *freight) putLoadBalancer(ctx context.Context) error {
	token, err := f.az.MachineToken(ctx, f.prod)
	if err != nil {
		return err
	}
	lb := f.nodes.Resource("Microsoft.Network/loadBalancers", "kubernetes-internal")
	return f.put(ctx, token, lb, doc{
		"location": location, "sku": doc{"name": "Standard"},
		"properties": doc{"frontendIPConfigurations": []doc{{"name": "freight-web", "properties": doc{"subnet": doc{"id": f.subnet.String()}}}}},
	}, nil)
}

// pull does what the kubelet and the container runtime do before an image comes: exchange the node's token for the registry's,
// and that for one to pull a repository with.
func (f *freight) pull(ctx context.Context) error {
	token, err := f.nodeToken(ctx)
	if err != nil {
		return err
	}
	service := registryName + f.az.Cloud().RegistrySuffix
	refresh, err := f.registryToken(ctx, "https://"+service+"/oauth2/exchange", "refresh_token", url.Values{
		"grant_type": {"access_token"}, "service": {service}, "tenant": {f.az.Tenant.String()}, "access_token": {token},
	})
	if err != nil {
		return err
	}
	_, err = f.registryToken(ctx, "https://"+service+"/oauth2/token", "access_token", url.Values{
		"grant_type": {"refresh_token"}, "service": {service}, "scope": {"repository:freight/web:pull"}, "refresh_token": {refresh},
	})
	return err
}

// nodeToken is a token of the identity on the nodes' scale set, the kubelet's.
func (f *freight) nodeToken(ctx context.Context) (string, error) {
	const typ = "Microsoft.Compute/virtualMachineScaleSets"
	var sets struct{ Value []struct{ ID azure.ID } }
	if err := f.az.Call(ctx, f.operator, http.MethodGet, at(f.nodes.Resource(typ), typ), nil, &sets); err != nil {
		return "", err
	}
	if len(sets.Value) == 0 {
		return "", fmt.Errorf("%s has no scale set", f.nodes.Name())
	}
	return f.az.MachineToken(ctx, sets.Value[0].ID)
}

// registryToken asks a registry for a token. A refusal is an *azure.Error with the registry's own code.
func (f *freight) registryToken(ctx context.Context, endpoint, field string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := f.az.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", registryRefusal(resp.StatusCode, body)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	token, _ := answer[field].(string)
	return token, nil
}

// registryRefusal reads a registry's error (OCI distribution specification, error codes).
func registryRefusal(status int, body []byte) error {
	var list struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &list) != nil || len(list.Errors) == 0 {
		return &azure.Error{Status: status, Code: http.StatusText(status), Message: string(body)}
	}
	return &azure.Error{Status: status, Code: list.Errors[0].Code, Message: list.Errors[0].Message}
}
