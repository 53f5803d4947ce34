package azure

// What AKS's resource provider refuses about a cluster's identities and what they reach.
var (
	ManagedIdentityNoPrincipal = message(400, "BadRequest",
		"Updating service principal profile is not allowed on MSI cluster.", "github.com/hashicorp/terraform-provider-azurerm/pull/6205")
	LocalAccountsDisabled = message(400, "BadRequest",
		"Getting static credential is not allowed because this cluster is set to disable local accounts.", "Microsoft Learn: Manage local accounts with AKS-managed Microsoft Entra integration")
	OneUserAssignedIdentity = message(400, "InvalidParameter",
		"The cluster identity must be of type SystemAssigned, or UserAssigned with exactly one identity.", "Microsoft Learn: Use a user-assigned managed identity in AKS; the words are not Azure's")
	PrivateZoneSystemAssigned = message(400, "SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone",
		"Clusters using managed identity type SystemAssigned do not support a custom private DNS zone. Use a user-assigned identity instead.",
		"the code: published list of AKS error codes; Microsoft Learn: Create a private AKS cluster")
	PrivateZoneInvalidID = message(400, "InvalidPrivateDNSZoneResourceID",
		"The private DNS zone '{zone}' is neither system, none nor the resource ID of a private DNS zone.", "the code: published list of AKS error codes")
	PrivateZoneNotFound = message(400, "PrivateDNSZoneResourceNotFoundError",
		"The private DNS zone {zone} was not found.", "the code: published list of AKS error codes")
	VirtualMachinesSystemAssigned = message(400, "BadRequest",
		"Agent pool {pool} of type VirtualMachines in a custom virtual network needs a cluster with a user-assigned identity.",
		"Azure/AKS CHANGELOG, VirtualMachines node pools; the words are not Azure's")
	CapacityReservationSystemAssigned = message(400, "BadRequest",
		"Agent pool {pool} refers to a capacity reservation group, which needs a cluster with a user-assigned identity.",
		"Microsoft Learn: Use capacity reservation groups in AKS; the words are not Azure's")
	OIDCIssuerStays = message(400, "OIDCIssuerFeatureCannotBeDisabled",
		"OIDC issuer feature cannot be disabled.", "github.com/Azure/AKS-Construction/issues/531")
	WorkloadIdentityNeedsIssuer = message(400, "BadRequest",
		"Workload identity needs the OIDC issuer: enable oidcIssuerProfile too.", "azure-cli: enabling workload identity; the words are not Azure's")
	WorkspaceMissing = message(400, "LogAnalyticsWorkspaceNotSet",
		"The omsagent add-on needs logAnalyticsWorkspaceResourceID in its configuration.", "the code: published list of AKS error codes")
	VirtualNodesNeedCNI = message(400, "ACIConnectorRequiresAzureNetworking",
		"The aciConnectorLinux add-on needs the network plugin azure.", "the code: published list of AKS error codes")
	RunCommandUnavailable = message(501, "NotImplemented",
		"The local Azure runs no Kubernetes behind its clusters: there is no API server that could run a command.", "the local Azure")
)

// What AKS's resource provider refuses about networks and agent pools.
var (
	RouteTableNotAssociated = message(400, "ExistingRouteTableNotAssociatedWithSubnet",
		"An existing route table has not been associated with subnet {subnet}. Please update the route table association", "recorded")
	SubnetWithoutNATGateway = message(400, "SubnetNotAssociatedWithNATGateway",
		"Subnet '{subnet}' must have a NAT gateway associated for outbound connection", "AKS-Construction: troubleshooting")
	NATGatewayWithoutAddress = message(400, "NATGatewayNotAssociatedWithPublicIPOrIPPrefix",
		"NAT gateway '{gateway}' must have at least one public IP or IP prefix associated for outbound connection.", "AKS-Construction: troubleshooting")
	ManagedNATGatewayBroughtNetwork = message(400, "ManagedNATGatewayWithCustomVNetNotAllowed",
		"Outbound type managedNATGateway cannot be used with a custom virtual network. Use userAssignedNATGateway instead.", "the code: published list of AKS error codes")
	OwnNATGatewayManagedNetwork = message(400, "UserAssignedNATGatewayWithManagedVNetNotAllowed",
		"Outbound type userAssignedNATGateway needs a custom virtual network.", "the code: published list of AKS error codes")
	UnsupportedOutboundType = message(400, "UnsupportedOutboundType",
		"The outbound type '{type}' is not supported.", "the code: published list of AKS error codes")
	NoSystemPool = message(400, "MustDefineAtLeastOneSystemPool",
		"Must define at least one system pool.", "hashicorp/terraform-provider-azurerm: kubernetes_nodepool.go")
	KubernetesUpgradeNotAllowed = message(400, "OperationNotAllowed",
		"Upgrading Kubernetes version {from} to {to} is not allowed. Available upgrades: [{upgrades}]. Please see https://aka.ms/aks-supported-k8s-ver for version details.",
		"Microsoft Support: troubleshoot AKS upgrades")
	PoolVersionIncompatible = message(400, "NodePoolMcVersionIncompatible",
		"Node pool version {pool} and control plane version {cluster} are incompatible. Minor version of node pool version {minor} is bigger than control plane version {controlMinor}. For more information, please check https://aka.ms/aks/UpgradeVersionRules",
		"recorded")
	KubernetesVersionInvalid = message(400, "K8sVersionNotSupported",
		"Version {version} is not supported in this region. Please use [az aks get-versions] command to get the supported version list in this region. For more information, please check https://aka.ms/supported-version-list",
		"recorded")
)

// Federated credentials of user-assigned identities (Microsoft Learn: important considerations for federated identity credentials).
var (
	FederatedNameInvalid = message(400, "BadRequest",
		"Federated Identity Credential name '{name}' is invalid.", "Microsoft Learn: workload identity federation considerations")
	FederatedEmpty = message(400, "BadRequest",
		"Federated Identity Credential from HTTP body has empty properties", "Microsoft Learn: workload identity federation considerations")
	FederatedOneAudience = message(400, "BadRequest",
		"Federated identity credentials must have exactly one audience.", "Microsoft Learn: workload identity federation considerations")
	FederatedDuplicate = message(409, "Conflict",
		"Issuer and subject combination already exists for this Managed Identity.", "Microsoft Learn: workload identity federation considerations")
	FederatedLimit = message(400, "BadRequest",
		"Too many Federated Identity Credentials", "recorded: the 21st credential of an identity")
)
