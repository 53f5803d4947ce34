package failure

import "aksid/internal/azure"

const (
	learnPull    = "Microsoft Learn: Fail to pull images from Azure Container Registry to an AKS cluster"
	learnVault   = "Microsoft Learn: Azure Key Vault REST API error codes"
	learnStorage = "Microsoft Learn: Azure Storage error codes"
)

// dataCodes are those of the registry, Key Vault and Storage. None of them reaches the activity log.
var dataCodes = []*Code{
	{Name: "401 Unauthorized", Kind: PullUnauthorized, Actor: Kubelet, Status: 401,
		Means:  "The registry does not let the node's identity pull.",
		Not:    "Not the network: that is 403. The last line always says \"anonymous token\", because the node tries without identity in the end; \"oauth token\" means that an identity was tried. AcrPull does not count where the registry's roleAssignmentMode is AbacRepositoryPermissions.",
		Advice: "AcrPull on the registry for the kubelet identity; Container Registry Repository Reader where the registry is in ABAC mode. Then delete the pod, or wait for the next try.",
		Source: learnPull, Says: []string{"azurecr * 401 Unauthorized", "failed to fetch oauth token * 401 Unauthorized", "failed to fetch anonymous token * 401 Unauthorized", "azurecr * status code 401",
			"unexpected status code 401 from exchange request", "rejected token exchange * status: 401", "rejected token exchange * status code 401"}},
	{Name: "unauthorized", Kind: PullUnauthorized, Rank: General, Actor: Kubelet, Status: 401,
		Means:  "The registry wants a sign-in that may pull (or push).",
		Not:    "Not the network: that is 403. A wrong repository name can look the same.",
		Advice: "AcrPull (to push AcrPush) on the registry for the identity that is used; Container Registry Repository Reader or Writer where the registry is in ABAC mode.",
		Source: "aka.ms/acr/authorization", Texts: []*azure.Message{azure.RegistryUnauthorized}, Says: []string{"unauthorized: authentication required", "azurecr * insufficient_scope: authorization failed", "azurecr * pull access denied"}},
	{Name: "unauthorized", Kind: InvalidClient, Status: 401, Means: "The registry does not know the service principal that was used, or its secret is wrong or has expired.", Not: "Not a role.",
		Advice: "Use the right client id and a valid secret, or a managed identity.", Az: []string{"az ad sp credential list --id <client id>"}, Source: "Microsoft Learn: Troubleshoot registry login",
		Says: []string{"unauthorized: Application not registered with AAD", "unauthorized: Invalid clientid or client secret", "unauthorized: AADSTS", "aad access token with sp failed"}},
	otherRegistry,
	{Name: "403 Forbidden", Kind: PullForbidden, Status: 403,
		Means:  "The registry's firewall, or its missing public access, refuses the address that asks.",
		Not:    "Not a role: without one the registry answers 401.",
		Advice: "Open the way: a private endpoint with its DNS zone linked to the node's VNet, or a network rule.",
		Az:     []string{"az acr show -n <registry> --query \"{public:publicNetworkAccess,rules:networkRuleSet}\""},
		Source: learnPull, Says: []string{"azurecr * 403 Forbidden", "failed to fetch anonymous token * 403 Forbidden", "failed to fetch oauth token * 403 Forbidden", "unexpected status code 403 from exchange request", "rejected token exchange * status: 403"}},
	{Name: "DENIED", Kind: PullForbidden, Status: 403, Texts: []*azure.Message{azure.RegistryFirewall},
		Means: "The registry's firewall does not allow the address that asks.", Not: "Not a role: without one the registry answers 401.", Advice: "Allow the address, or build inside of the network.",
		Az: []string{"az acr network-rule add -n <registry> --ip-address <address>"}, Source: "aka.ms/acr/firewall", Says: []string{"aka.ms/acr/firewall"}},
	{Name: "denied", Kind: PullUnauthorized, Status: 403, Texts: []*azure.Message{azure.RegistryDenied}, Rank: General,
		Means: "The registry refuses what was asked for: the credential does not reach to it.", Not: "With \"client with IP\" it is the firewall.", Advice: "AcrPull or AcrPush on the registry for the identity that is used; first sign in.",
		Az: []string{"az acr login -n <registry>"}, Source: "aka.ms/acr/authorization"},
	{Name: "not found", Kind: NotIdentity, Rank: General, Status: 404, LetIn: true,
		Means: "There is no such repository or tag.", Not: "Not a role: the registry had already let the node in. An \"unauthorized\" behind it is from the try without identity.", Advice: "Correct the image name.",
		Az: []string{"az acr repository show-tags -n <registry> --repository <repository>"}, Source: learnPull,
		Says: []string{"failed to resolve reference * : not found", "code = NotFound desc = failed to pull and unpack image"}},
	{Name: "no match for platform in manifest", Kind: NotIdentity, NoCode: true, LetIn: true,
		Means: "The image is not built for the node's processor architecture.", Not: "Not a role: the registry had already let the node in. An \"unauthorized\" behind it is from the try without identity.",
		Advice: "Build the image for the node's architecture too, or put the pod on nodes of the image's (nodeSelector kubernetes.io/arch).", Source: learnPull, Says: []string{"no match for platform in manifest"}},
	{Name: "manifest unknown", Kind: NotIdentity, Status: 404, Also: []string{"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}, Means: "There is no such tag.", Not: "Not a role.", Advice: "Correct the image name.", Source: learnPull,
		Says: []string{"manifest unknown", "manifest for * not found", "repository name not known to registry"}},

	{Name: "ForbiddenByRbac", Kind: MissingAction, Mostly: Workload, Status: 403,
		Means:  "The vault decides by Azure RBAC, and the principal has no data role on it.",
		Not:    "Owner and Contributor do not count: they have no data actions.",
		Advice: "Key Vault Secrets User (for certificates Key Vault Certificate User, for keys Key Vault Crypto User) on the vault to read and use; to write the role that ends in Officer.",
		Source: learnVault, Says: []string{"DeniedWithNoValidRBAC"}},
	{Name: "AccessDenied", Kind: MissingAction, Mostly: Workload, Status: 403,
		Means:  "The vault decides by access policies, and none is for this principal.",
		Not:    "A role assignment does not help in this mode.",
		Advice: "Add an access policy for the object id, or change the vault to Azure RBAC.",
		Az:     []string{"az keyvault set-policy -n <vault> --object-id {oid} --secret-permissions get list"}, Source: learnVault},
	{Name: "ForbiddenByPolicy", Kind: MissingAction, Mostly: Workload, Status: 403,
		Means: "The access policy is for the principal together with an application (compound identity), and the principal came alone.", Not: "A role assignment does not help in this mode.",
		Advice: "Make an access policy for the object id alone, without an application id.", Az: []string{"az keyvault set-policy -n <vault> --object-id {oid} --secret-permissions get list"}, Source: learnVault, Says: []string{"to use on-behalf-of"}},
	{Name: "ForbiddenByFirewall", Kind: NotIdentity, Status: 403, Means: "The vault's firewall does not allow the address that asks.", Not: "Not a role, although the text names the caller.", Advice: "Allow the subnet or address, or use a private endpoint.",
		Az: []string{"az keyvault network-rule list -n <vault>"}, Source: learnVault, Also: []string{"ForbiddenByNsp"}},
	{Name: "ForbiddenByConnection", Kind: NotIdentity, Status: 403, Means: "The vault takes no requests from public networks.", Not: "Not a role, although the text may name the caller.", Advice: "Use a private endpoint with its DNS zone linked to the node's VNet.", Source: learnVault,
		Says: []string{"Public network access is disabled and request is not from a trusted service"}},
	{Name: "SecretNotFound", Kind: NotIdentity, Status: 404, Also: []string{"KeyNotFound", "CertificateNotFound", "SecretDisabled", "KeyDisabled", "KeyOperationForbidden", "VaultNotFound"}, Means: "The vault has no such secret, key or certificate.", Not: "Not a role.", Advice: "Check its name and version.", Source: learnVault},

	{Name: "claims required", Kind: MissingAction, Mostly: Workload, Status: 401, NoCode: true,
		Means:  "The principal has no data role on the Service Bus or Event Hubs namespace, queue, topic or hub.",
		Not:    "Owner and Contributor do not count: they have no data actions. With a connection string it is that policy's claims.",
		Advice: "Azure Service Bus Data Receiver (Listen), Data Sender (Send) or, to read queues' properties as KEDA does, Data Owner (Manage); for Event Hubs Azure Event Hubs Data Receiver or Data Sender.",
		Source: "Microsoft Learn: Authentication and authorization for Azure Service Bus", Says: []string{"claim(s) are required to perform this operation", "claims required for this operation"}},
	{Name: "5301", Kind: MissingAction, Mostly: Workload, Status: 403, NoCode: true,
		Means:  "The principal has no data role of the Cosmos DB account, which decides by role assignments of its own.",
		Not:    "No role of Azure RBAC helps, Owner included.",
		Advice: "Assign Cosmos DB Built-in Data Reader (…0001) or Data Contributor (…0002) in the account.",
		Az:     []string{"az cosmosdb sql role assignment create -g <resource group> -a <cosmos account> --role-definition-id 00000000-0000-0000-0000-000000000002 --principal-id <object id> --scope /"},
		Source: "aka.ms/cosmos-native-rbac", Says: []string{"does not have required RBAC permissions to perform action"}},
	{Name: "token-identified principal", Kind: Unknown, Mostly: Workload, NoCode: true, Means: "Azure SQL took the token, and its database has no user for the principal.", Not: "No role of Azure RBAC lets anybody into a database.",
		Advice: "In the database: CREATE USER [<name of the identity>] FROM EXTERNAL PROVIDER, and add it to the database roles it needs.", Source: "Microsoft Learn: Microsoft Entra authentication for Azure SQL", Says: []string{"Login failed for user '<token-identified principal>'"}},

	{Name: "PermissionDenied", Kind: MissingAction, Mostly: Workload, Status: 401, Texts: []*azure.Message{azure.DataActionMissing},
		Means:  "The principal has no data role on the service's account.",
		Not:    "Owner and Contributor do not count: they have no data actions.",
		Advice: "Assign a role that has the data action, at the account.", Source: "Microsoft Learn: Role-based access control for Azure OpenAI"},
	{Name: "AuthorizationPermissionMismatch", Kind: MissingAction, Mostly: Workload, Status: 403,
		Means:  "The principal is known, and has no data role on the storage account or container.",
		Not:    "Owner and Contributor do not count: they have no data actions. AuthorizationFailure differs by three words and is the network.",
		Advice: "Storage Blob Data Contributor (or Reader) on the account or container; for files Storage File Data roles.",
		Source: learnStorage, Also: []string{"InsufficientAccountPermissions"}},
	{Name: "AuthorizationFailure", Kind: NotIdentity, Status: 403,
		Means:  "The storage account's network rules refuse the address that asks, or access by key is off.",
		Not:    "Not a role: that is AuthorizationPermissionMismatch, \"… using this permission\".",
		Advice: "Allow the node's subnet in the account's network rules, or use a private endpoint.",
		Az:     []string{"az storage account show -n <account> --query \"{public:publicNetworkAccess,rules:networkRuleSet,keys:allowSharedKeyAccess}\""}, Source: learnStorage, Also: []string{"AuthorizationSourceIPMismatch"}},
	{Name: "AuthenticationFailed", Kind: NotIdentity, Status: 403, Texts: []*azure.Message{azure.StorageAuthenticationFailed},
		Means: "Storage does not accept the key, the shared access signature or the signature.", Not: "Not a role.", Advice: "Use the account's present key; check the clock.", Source: learnStorage,
		Says: []string{"Server failed to authenticate the request"}},
	{Name: "KeyBasedAuthenticationNotPermitted", Kind: NotIdentity, Status: 403, Means: "The storage account does not take keys.", Not: "Not a role: but with a data role the client could come without a key.",
		Advice: "Let the driver use an identity (storeAccountKey: \"false\", mount with managed identity), or allow keys.", Source: learnStorage, Also: []string{"AuthorizationProtocolMismatch", "LocalAuthDisabled"}},
	{Name: "mount error(13)", Kind: Unknown, Rank: General, Means: "The file share refuses the mount: a wrong key, network rules, or with managed identity a missing SMB role.", Not: "The text does not tell which of them it is.",
		Advice: "Check the account's network rules and key access; with managed identity Storage File Data SMB MI Admin for the kubelet identity.", Az: []string{"az storage account show -n <account> --query \"{public:publicNetworkAccess,rules:networkRuleSet,keys:allowSharedKeyAccess}\""},
		Source: "Microsoft Learn: Errors when mounting an Azure file share", Says: []string{"mount error(13)", "mount error: could not resolve address"}},
}

// otherRegistry is what a registry means that is not Azure's.
var otherRegistry = &Code{Name: "registry", Kind: NotIdentity, NoCode: true, Means: "A registry other than Azure's refuses the pull: it wants a sign-in, or the image is private.", Not: "No Azure role: an imagePullSecret.",
	Advice: "Give the pod an imagePullSecret for that registry.", Source: "Kubernetes: Pull an image from a private registry",
	Says: []string{"docker.io * 401 Unauthorized", "docker.io * pull access denied", "ghcr.io * 401 Unauthorized", "quay.io * 401 UNAUTHORIZED", "gcr.io * 401 Unauthorized", "docker.io * authentication required", "ghcr.io * unauthorized"}}

// kubernetesCodes are those of kube-apiserver and kubelet, and of the network under all.
var kubernetesCodes = []*Code{
	{Name: "Forbidden", Kind: MissingAction, Actor: Caller, Status: 403, Texts: []*azure.Message{azure.KubernetesAccessDenied, azure.KubernetesAccessDeniedNamespace},
		Means:  "The cluster uses Azure RBAC for Kubernetes, and the user has no Azure role that reaches there.",
		Not:    "Without the last sentence it would be Kubernetes' own RBAC.",
		Advice: "Azure Kubernetes Service RBAC Reader (or Writer, Admin) on the cluster or on the namespace.",
		Az:     []string{`az role assignment create --assignee <user> --role "Azure Kubernetes Service RBAC Reader" --scope <cluster id>/namespaces/<namespace>`},
		Source: "Microsoft Learn: Use Azure RBAC for Kubernetes authorization", Says: []string{azureRBAC}},
	{Name: "Forbidden", Kind: NotIdentity, Rank: General, Status: 403, Means: "Kubernetes' own RBAC refuses the user or service account.", Not: "Not an Azure role.",
		Advice: "Bind a Role or ClusterRole to it.", Source: "Kubernetes: Using RBAC Authorization", Says: []string{"(Forbidden) * is forbidden: User * cannot"}},
	{Name: "forbidden", Kind: NotIdentity, Rank: General, Status: 403, Means: "Kubernetes' own RBAC refuses the user or service account.", Not: "Not an Azure role.",
		Advice: "Bind a Role or ClusterRole to it.", Source: "Kubernetes: Using RBAC Authorization", Says: []string{"is forbidden: User * cannot"}},
	{Name: "Unauthorized", Kind: NotIdentity, Rank: General, Status: 401, Means: "The API server does not accept the credential: an old kubeconfig, a token for another audience, or a node's expired bootstrap token or certificate.", Not: "Not an Azure role.",
		Advice: "Get the kubeconfig anew; for a node reimage it.", Az: []string{"az aks get-credentials -g <resource group> -n <cluster> --overwrite-existing"}, Source: learnAKS,
		Says: []string{"You must be logged in to the server", "Unable to register node with API server * Unauthorized", "the server has asked for the client to provide credentials"}},
	{Name: "i/o timeout", Kind: NotIdentity, Rank: General, Means: "The other end could not be reached in time.", Not: "Not identity: no decision was made.", Advice: networkAdvice, Source: learnAKS, Says: []string{"i/o timeout"}},
	{Name: "context deadline exceeded", Kind: NotIdentity, Rank: General, Means: "There was no answer in time.", Not: "Not identity: no decision was made.", Advice: networkAdvice, Source: learnAKS, Says: []string{"context deadline exceeded"}},
	{Name: "Client.Timeout exceeded", Kind: NotIdentity, Rank: General, Means: "There was no answer in time.", Not: "Not identity: no decision was made.", Advice: networkAdvice, Source: learnAKS, Says: []string{"Client.Timeout exceeded", "Client.Timeout or context cancellation"}},
	{Name: "no such host", Kind: NotIdentity, Rank: General, Means: "A name could not be resolved.", Not: "Not identity: DNS.", Advice: "Check the private DNS zone's links and the VNet's DNS servers.", Source: learnAKS, Says: []string{"no such host", "Temporary failure in name resolution", "server misbehaving"}},
	{Name: "connection refused", Kind: NotIdentity, Rank: General, Means: "Nothing listens at the other end.", Not: "Not identity: no decision was made.", Advice: networkAdvice, Source: learnAKS, Says: []string{"connection refused", "connection reset by peer", "no route to host", "network is unreachable", "TLS handshake timeout"}},
	{Name: "x509", Kind: NotIdentity, Rank: General, NoCode: true, Means: "A certificate is not trusted or does not fit the name.", Not: "Not identity: often a proxy that opens TLS.", Advice: "Trust the proxy's authority, or take the host out of the proxy.", Source: learnAKS, Says: []string{"x509: certificate"}},
	{Name: "timed out waiting", Kind: Unknown, Rank: Wrapper, NoCode: true, Means: "Something was waited for in vain; the text does not say what.", Not: "Not evidence for or against identity.",
		Advice: "Read the earlier events of the same object, and the controller's log.", Az: []string{}, Source: "github.com/Azure/AKS/issues/1945", Says: []string{"timed out waiting for the condition"}},
}

// azureRBAC are the words by which Kubernetes tells that Azure refused, and not its own RBAC.
const azureRBAC = "User does not have access to the resource in Azure"

const networkAdvice = "Check routes, firewall, private endpoints, DNS and network policies on the way."
