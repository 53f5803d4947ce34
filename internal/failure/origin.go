package failure

import "strings"

// origin is a place that texts come from, and whose identity works there.
type origin struct {
	words []string // any of them
	actor Actor
	alt   []Actor
}

var (
	// On clusters with a service principal it does the work of both identities.
	controlAlt  = []Actor{ServicePrincipal}
	kubeletAlt  = []Actor{ServicePrincipal, Nobody}
	addonAlt    = []Actor{Workload, Nobody}
	workloadAlt = []Actor{Kubelet, AddOn, ServicePrincipal, Nobody}
	callerAlt   = []Actor{ServicePrincipal, Nobody}
	spAlt       = []Actor{ControlPlane, Nobody}
)

// origins are the components that write such texts, the more telling first.
var origins = []origin{
	{[]string{"RoleAssignmentReconciler"}, Nobody, nil}, // AKS's own first-party principal
	{[]string{ // pod identity's MIC
		"mic.go", "failed to apply binding", "Failed to update VM with error", "Updating msis on node",
		"failed to update user-assigned identities on node", "aadpodidentity.k8s.io", "binding apply error",
	}, Kubelet, kubeletAlt},
	{[]string{
		"Unable to get Public IP Address", "AGIC Identity", "ingress-azure", "mutate_app_gateway.go", "ApplicationGatewaysClient", "appgw.ingress",
		"aci-connector", "virtual-kubelet", "ContainerGroupsClient", "azurekeyvaultsecretsprovider", "omsagent", "ama-logs", "webapprouting",
	}, AddOn, addonAlt},
	{[]string{
		"external-dns", "cert-manager", "velero", "backup store", "keda", "ScaledObject", "flux", "argocd", "crossplane",
		"secrets-store", "secrets store objects", "ExternalSecret", "external-secrets", "SecretStore", "ClusterSecretStore",
		"akv2k8s", "azurekeyvaultcontroller", "env-injector", "blobfuse", "azblob", "AzureAppConfigurationProvider", "service principal token for pod",
		"serviceoperator.azure.com", "azure_generic_arm_reconciler", "azureserviceoperator", "azure.upbound.io", "failed to retrieve the storage account properties",
	}, Workload, workloadAlt},
	{[]string{"FailedToScaleUpGroup"}, ServicePrincipal, spAlt},
	{[]string{ // the cloud provider's service, route and node controllers
		"service-controller", "azure-cloud-provider", "cloud-controller-manager", "SyncLoadBalancerFailed", "CreatingLoadBalancerFailed",
		"Error syncing load balancer", "Error creating load balancer", "failed to ensure load balancer", "ensure load balancer", "ListLoadBalancers",
		"EnsuringLoadBalancer", "azure_loadbalancer.go", "azure_backoff.go", "route_controller", "FailedToCreateRoute", "getting backend pools",
		// its disk and file drivers
		"attachdetach-controller", "AttachVolume.Attach failed", "FailedAttachVolume", "disk.csi.azure.com", "file.csi.azure.com", "blob.csi.azure.com",
		"csi-azuredisk", "csi-azurefile", "persistentvolume-controller", "failed to provision volume", "ProvisioningFailed", "azure_vmclient.go",
		// the autoscalers
		"karpenter", "NodeClaim", "NodeClaims", "CreateInstanceFailed", "cluster-autoscaler", "static_autoscaler.go", "azure_container_service_pool.go",
		"azure_scale_set.go", "azure_manager.go",
	}, ControlPlane, controlAlt},
	{[]string{"kubectl logs", "token_credential.go"}, Workload, workloadAlt},
	{[]string{ // people and pipelines
		"az login", "az logout", "Run the command below to authenticate interactively", "Azure CLI login", "azure/login", "expected an empty error but received", "AzureCLI@2",
		"Script failed with exit code", "Script failed with error", "Attempting Azure CLI login", "kubelogin", "pulumi",
		"azurerm_", "azuread_", "terraform", "on main.tf", "performing CreateOrUpdate", "Update-AzVmss", "New-AzResourceGroupDeployment",
		"ManagedClustersClient", "Login failed with Error", "FullyQualifiedErrorId", "CategoryInfo", "ReasonPhrase", "fwlink/?linkid=2181475",
		"ErrorMessage", "Deployment failed", "DeploymentFailed", "template deployment",
	}, Caller, callerAlt},
	{[]string{
		"WorkloadIdentityCredential", "AZURE_FEDERATED_TOKEN_FILE", "ManagedIdentityCredential", "DefaultAzureCredential", "ChainedTokenCredential",
		"nmi response", "server.go", "reg.path",
	}, Workload, workloadAlt},
}

// actedOn are actions and types that only one of the identities has to do with, where nothing tells the origin.
// They are looked for in the held action first, then in the missing one.
var actedOn = []struct {
	prefix string // lower case
	actor  Actor
	alt    []Actor
}{
	{"microsoft.containerservice/", Caller, callerAlt},
	{"microsoft.resources/", Caller, callerAlt},
	{"microsoft.authorization/", Caller, callerAlt},
	{"microsoft.network/dnszones/", Workload, workloadAlt},
	{"microsoft.network/privatednszones/", Workload, workloadAlt},
	{"microsoft.keyvault/", Workload, workloadAlt},
	{"microsoft.network/loadbalancers/", ControlPlane, controlAlt},
	{"microsoft.compute/virtualmachinescalesets/virtualmachines/", ControlPlane, controlAlt},
	{"microsoft.network/privatelinkservices/", ControlPlane, controlAlt},
	{"microsoft.network/virtualnetworks/subnets/write", ControlPlane, controlAlt},
	{"microsoft.network/routetables/routes/", ControlPlane, controlAlt},
	{"microsoft.storage/storageaccounts/fileservices/", ControlPlane, controlAlt},
	{"microsoft.storage/storageaccounts/listkeys/", ControlPlane, controlAlt},
	{"microsoft.network/applicationgateways/", AddOn, addonAlt},
	{"microsoft.containerinstance/", AddOn, addonAlt},
	{"microsoft.compute/disks/", Nobody, []Actor{ControlPlane, Workload, Kubelet, AddOn, ServicePrincipal}},
	{"microsoft.compute/snapshots/", Nobody, []Actor{ControlPlane, Workload, ServicePrincipal}},
	{"microsoft.network/publicipaddresses/", Nobody, []Actor{ControlPlane, AddOn, ServicePrincipal}},
}

// attaches reports whether a linked failure is of somebody who attaches an identity to nodes, which pod identity does
// with the kubelet's.
func attaches(held, missing string) bool {
	held, missing = strings.ToLower(held), strings.ToLower(missing)
	return strings.HasPrefix(held, "microsoft.compute/virtualmachine") && strings.HasPrefix(missing, "microsoft.managedidentity/userassignedidentities/assign")
}
