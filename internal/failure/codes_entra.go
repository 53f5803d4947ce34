package failure

import "aksid/internal/azure"

const learnEntra = "Microsoft Learn: Microsoft Entra authentication and authorization error codes"

const resetCluster = "az aks update-credentials -g <resource group> -n <cluster> --reset-service-principal --service-principal {client} --client-secret <new secret>"

// entraCodes are those of the token endpoints of Microsoft Entra. Before a token there is no role to speak of.
var entraCodes = []*Code{
	{Name: "AADSTS7000222", Kind: ExpiredSecret, Status: 401,
		Means: "The application's client secret has expired. All that signs in with it fails at once.", Not: "No role helps.",
		Advice: "Make a new secret and give it to the cluster or pipeline; better move to a managed identity.",
		Az:     []string{"az ad app credential reset --id {client} --append", resetCluster}, Source: learnEntra},
	{Name: "AADSTS7000215", Kind: InvalidClient, Status: 401,
		Means: "The client secret is wrong; often the secret's id was pasted.", Not: "Not a role. Old tenants print it for an expired secret as well.",
		Advice: "Use the secret's value, or make a new one.", Az: []string{"az ad app credential reset --id {client} --append", resetCluster}, Source: learnEntra},
	{Name: "AADSTS50012", Kind: InvalidClient, Status: 401, Means: "The client secret is wrong or has expired (before 2019).", Not: "Not a role.",
		Advice: "Make a new secret.", Az: []string{resetCluster}, Source: learnEntra},
	{Name: "AADSTS70002", Kind: InvalidClient, Rank: General, Status: 401, Means: "Validating the credentials failed (before 2019).", Not: "Not a role.",
		Advice: "Make a new secret.", Az: []string{resetCluster}, Source: learnEntra},
	{Name: "AADSTS700016", Kind: InvalidClient, Status: 400,
		Means:  "The tenant does not know the client id, or not yet.",
		Not:    "No role helps. Identifier \"msi\" means that a service principal is looked for in a cluster with managed identity; a resource id means that the wrong field was put into an annotation.",
		Advice: "Check the client id and the tenant; after creating it, wait for replication.", Az: []string{"az ad sp show --id {client}"}, Source: learnEntra},
	{Name: "AADSTS7000112", Kind: InvalidClient, Status: 401, Means: "The application is disabled.", Not: "Not a role.", Advice: "Enable its service principal.", Az: []string{"az ad sp show --id {client}"}, Source: learnEntra},
	{Name: "AADSTS7000229", Kind: InvalidClient, Status: 401, Means: "The application has no service principal in this tenant.", Not: "Not a role.", Advice: "Create it.", Az: []string{"az ad sp create --id {client}"}, Source: learnEntra},
	{Name: "AADSTS7000216", Kind: InvalidClient, Status: 401, Means: "The request had neither a secret nor an assertion.", Not: "Not a role.", Advice: "Give the client its credential.", Source: learnEntra, Also: []string{"AADSTS7000218", "AADSTS7000219"}},
	{Name: "AADSTS700027", Kind: InvalidClient, Status: 401, Means: "The client's certificate or assertion is not accepted.", Not: "Not a role.", Advice: "Register the certificate that is used.", Source: learnEntra, Also: []string{"AADSTS50027"}},
	{Name: "AADSTS650057", Kind: InvalidClient, Actor: Caller, Status: 401,
		Means: "The client application may not ask for tokens for that server application: kubelogin's server id is wrong.", Not: "Not a role.",
		Advice: "Use the server application of AKS, 6dae42f8-4368-4678-94ff-3960e28e3630, or the cluster's own.", Source: "github.com/Azure/azure-cli/issues/25289"},

	{Name: "AADSTS70021", Kind: FederationMismatch, Status: 400,
		Means:  "No federated credential matches the token's issuer, subject and audience.",
		Not:    "No role helps. For about a minute after a credential was created it may be propagation.",
		Advice: "Create or correct the federated credential so that all three are as the token has them.", Az: []string{federate}, Source: learnFederation},
	{Name: "AADSTS700211", Kind: FederationMismatch, Status: 401, Means: "No federated credential has the token's issuer.",
		Not:    "No role helps. https://kubernetes.default.svc.cluster.local means that the cluster's OIDC issuer is off.",
		Advice: "Set the credential's issuer to the cluster's issuer URL, to the last slash.", Az: []string{issuerURL, federate}, Source: learnFederation},
	{Name: "AADSTS700212", Kind: FederationMismatch, Status: 401, Means: "No federated credential has the token's audience.", Not: "No role helps.",
		Advice: "Use api://AzureADTokenExchange on both sides.", Az: []string{federate}, Source: learnFederation},
	{Name: "AADSTS700213", Kind: FederationMismatch, Status: 401, Means: "No federated credential has the token's subject.", Not: "No role helps.",
		Advice: "Set the credential's subject to the one in the token: system:serviceaccount:<namespace>:<name>, or the pipeline's.", Az: []string{federate}, Source: learnFederation},
	{Name: "AADSTS7002138", Kind: FederationMismatch, Status: 401, Means: "The token's subject differs from the federated credential's only in upper and lower case.", Not: "No role helps.",
		Advice: "Spell the credential's subject exactly as the token does.", Az: []string{federate}, Source: learnFederation, Also: []string{"AADSTS7002137", "AADSTS7002136"}},
	{Name: "AADSTS90061", Kind: FederationMismatch, Actor: Workload, Status: 400, Means: "Entra could not fetch the issuer's discovery document or keys.", Not: "No role helps.",
		Advice: "Make the issuer's /.well-known/openid-configuration and its keys readable from the internet.", Az: []string{issuerURL}, Source: learnFederation, Also: []string{"AADSTS5000224", "AADSTS50166", "AADSTS700220"}},
	{Name: "AADSTS70023", Kind: FederationMismatch, Actor: Workload, Status: 400, Means: "The token lives longer than a day: it is the pod's ordinary service account token, not the one for Entra.", Not: "No role helps.",
		Advice: "Use the projected token: label the pod azure.workload.identity/use: \"true\".", Source: "github.com/MicrosoftDocs/azure-docs/issues/116275"},
	{Name: "AADSTS700024", Kind: Unknown, Status: 401, Means: "The assertion had expired: an old copy of the token was sent.", Not: "Federation and roles are right.",
		Advice: "In a pod: read the token file again for each request (current SDKs do) and check the node's clock. In a pipeline: sign in again before the late step.", Source: learnEntra, Also: []string{"AADSTS700223"}},

	{Name: "AADSTS500011", Kind: Unknown, Status: 400, Means: "The tenant does not know the resource that the token was asked for: the wrong cloud or the wrong audience.", Not: "No role helps.",
		Advice: "Check the cloud setting and the resource URL.", Source: learnEntra, Also: []string{"AADSTS50001"}},
	{Name: "AADSTS90002", Kind: Unknown, Status: 400, Means: "There is no such tenant in this cloud.", Not: "No role helps.", Advice: "Check the tenant id and the cloud.", Source: learnEntra},
	{Name: "AADSTS900023", Kind: Unknown, Status: 400, Means: "What was given as tenant is neither an id nor a domain. It may be a secret that was pasted into the wrong field.", Not: "No role helps.",
		Advice: "Give the tenant's id. If a secret was printed, replace it.", Source: learnEntra},
	{Name: "AADSTS50034", Kind: Unknown, Actor: Caller, Status: 400, Means: "The user account is not in this tenant.", Not: "No role helps.", Advice: "Sign in to the right tenant, or be invited.", Source: learnEntra, Also: []string{"AADSTS50020", "AADSTS51004"}},
	{Name: "AADSTS50126", Kind: Unknown, Actor: Caller, Status: 400, Means: "User name or password is wrong, or the account is disabled.", Not: "Not a role.", Advice: "Sign in with the right password.", Source: learnEntra, Also: []string{"AADSTS50057", "AADSTS50055", "AADSTS50053"}},
	{Name: "AADSTS65001", Kind: Unknown, Actor: Caller, Status: 400, Means: "Nobody has consented to the application's permissions.", Not: "Not a role of Azure.", Advice: "An administrator consents.", Source: learnEntra, Also: []string{"AADSTS90094", "AADSTS650052", "AADSTS65004"}},
	{Name: "AADSTS70043", Kind: Unknown, Actor: Caller, Status: 400, Means: "The sign-in is too old or was revoked.", Not: "Not a role.", Advice: "Sign in again.", Az: []string{"az login"}, Source: learnEntra,
		Also: []string{"AADSTS700082", "AADSTS50173", "AADSTS700084", "AADSTS70008", "AADSTS50078", "AADSTS50089", "AADSTS160021"}},
	{Name: "AADSTS53003", Kind: NotIdentity, Status: 400, Means: "Conditional Access blocks the sign-in.", Not: "Never a role.", Advice: "Meet the Conditional Access policy, or have it changed.", Source: learnEntra,
		Also: []string{"AADSTS50005", "AADSTS53000", "AADSTS53001", "AADSTS53002", "AADSTS53004", "AADSTS530003", "AADSTS530004", "AADSTS530034", "AADSTS50097"}},
	{Name: "AADSTS50076", Kind: NotIdentity, Status: 400, Means: "Multi-factor authentication is required.", Not: "Never a role.", Advice: "Sign in interactively.", Az: []string{"az login"}, Source: learnEntra,
		Also: []string{"AADSTS50079", "AADSTS50158", "AADSTS50072", "AADSTS500121"}},
	{Name: "AADSTS1002012", Kind: Unknown, Status: 400, Means: "A client asked for a scope other than <resource>/.default.", Not: "Not a role.", Advice: "Ask for <resource>/.default.", Source: learnEntra, Also: []string{"AADSTS70011", "AADSTS70003", "AADSTS900144", "AADSTS900561"}},
	{Name: "AADSTS90033", Kind: Unknown, Rank: General, Status: 503, Means: "Entra could not answer just then.", Not: "Not a role.", Advice: "Try again.", Source: learnEntra, Also: []string{"AADSTS90013", "AADSTS90024", "AADSTS90055"}},
	{Name: "adal 401", Kind: Unknown, Rank: General, Actor: ServicePrincipal, NoCode: true, Status: 401,
		Means: "The service principal was deleted, its secret changed or expired: the text does not tell which.", Not: "Not a role.",
		Advice: "Look at the application and its secrets, then reset them.", Az: []string{"az ad app credential list --id <client id>", "az aks update-credentials -g <resource group> -n <cluster> --reset-service-principal --service-principal <client id> --client-secret <new secret>"},
		Source: "github.com/Azure/AKS/issues/339", Says: []string{"Refresh request failed * Status Code = '401'"}},
}

const (
	learnFederation = "Microsoft Learn: Workload identity federation"
	federate        = "az identity federated-credential create --name <name> -g <resource group> --identity-name <identity> --issuer {issuer} --subject {subject} --audiences {audience}"
	issuerURL       = "az aks show -g <resource group> -n <cluster> --query oidcIssuerProfile.issuerUrl -o tsv"
)

// tokenCodes are those of the endpoints inside of machines and clusters that hand out tokens, and of the SDKs that ask.
var tokenCodes = []*Code{
	{Name: "Identity not found", Kind: IdentityNotFound, Status: 400, Texts: []*azure.Message{azure.IdentityNotAttached},
		Means:  "The identity that was asked for is not attached to this machine, or was created anew: same name, new ids.",
		Not:    "A role never helps: no token was issued.",
		Advice: "Attach the identity to the node's scale set, or correct the client id.",
		Az:     []string{"az vmss identity show -g <node resource group> -n <scale set>", "az vmss identity assign -g <node resource group> -n <scale set> --identities <resource id of the identity>"},
		Source: "Microsoft Learn: How to use managed identities to get an access token", Says: []string{"the requested identity isn't assigned to this resource", "the requested identity has not been assigned to this resource", "error_description * Identity not found"}},
	{Name: "Multiple user assigned identities", Kind: IdentityNotFound, Status: 400, Texts: []*azure.Message{azure.SeveralIdentities},
		Means:  "Several identities are attached to the machine and the client named none. It begins when an add-on brings a second one.",
		Not:    "A role never helps: no token was issued.",
		Advice: "Name the client id (AZURE_CLIENT_ID, userAssignedIdentityID).",
		Source: "Microsoft Learn: How to use managed identities to get an access token"},
	{Name: "bad_request_102", Kind: NotIdentity, Status: 400, Means: "The request to IMDS lacked the header Metadata: true, or went through a proxy.", Not: "Not a role.", Advice: "Take 169.254.169.254 out of the proxy.", Source: "Microsoft Learn: Managed identities, error handling"},
	{Name: "nmi 404", Kind: Unknown, Actor: Workload, Means: "Pod identity has not attached the pod's identity to the node.", Not: "Not a role of the pod's identity.",
		Advice: "Read MIC's log: usually Managed Identity Operator and Virtual Machine Contributor of the kubelet identity are missing. Better move to workload identity.", Source: "aad-pod-identity: troubleshooting",
		Says: []string{"nmi response failed with status code: 404", "in CREATED state failed after", "no AzureAssignedIdentity found for pod"}},
	{Name: "ASSIGNED state", Kind: Unknown, Actor: Workload, Means: "Pod identity has not finished to attach the pod's identity to the node.", Not: "Not a role of the pod's identity.",
		Advice: "Read MIC's log: usually Managed Identity Operator and Virtual Machine Contributor of the kubelet identity are missing. Better move to workload identity.", Source: "aad-pod-identity: troubleshooting",
		Says: []string{"in ASSIGNED state failed after"}},
	{Name: "403", Kind: Unknown, Actor: Workload, Status: 403, Means: "Pod identity's local token endpoint refused: no identity is bound to the pod.", Not: "Not an answer of Azure RBAC, although the status is 403.",
		Advice: "Bind an AzureIdentity to the pod; better move to workload identity.", Source: "github.com/kedacore/keda/issues/2178",
		Says: []string{"MSI VM extension * MSI not available", "nmi response failed with status code: 403", "ManagedIdentityCredential authentication failed * Status: 403"}},
	{Name: "404", Kind: Unknown, Rank: General, Actor: Workload, Status: 404, Means: "The token endpoint answered 404: IMDS is starting, or pod identity is not ready.", Not: "Not a role.", Advice: "Try again; look at the logs of MIC and NMI.", Source: "Microsoft Learn: Managed identities, error handling",
		Says: []string{"ManagedIdentityCredential * status code 404", "Failed to retrieve IMDS token after"}},
	{Name: "410", Kind: NotIdentity, Rank: General, Status: 410, Means: "IMDS is being updated; it comes back within 70 seconds.", Not: "Not a role.", Advice: "Try again.", Source: "Microsoft Learn: Managed identities, error handling",
		Says: []string{"ManagedIdentityCredential * status code 410", "169.254.169.254 * 410 Gone"}},
	{Name: "429", Kind: NotIdentity, Rank: General, Status: 429, Means: "IMDS throttles the machine.", Not: "Not a role.", Advice: "Ask less often; keep tokens.", Source: "Microsoft Learn: Managed identities, error handling",
		Says: []string{"169.254.169.254 * 429 Too Many Requests", "ManagedIdentityCredential * status code 429"}},
	{Name: "503", Kind: NotIdentity, Rank: General, Status: 503, Means: "The token endpoint could not reach Entra.", Not: "Not a role: the network.", Advice: "Open the way to login.microsoftonline.com.", Source: "github.com/kubernetes-sigs/cluster-api-provider-azure/issues/3577",
		Says: []string{"Refresh request failed * Status Code = '503'"}},
	{Name: "MSI endpoint is not available", Kind: NotIdentity, Rank: Wrapper, NoCode: true, Means: "Nothing answers where tokens are handed out: a network policy, NMI, or hostNetwork.", Not: "Not a role: no decision was made.", Advice: "Restore the way to 169.254.169.254.", Source: "github.com/Azure/AKS-Construction/issues/177",
		Says: []string{"MSI endpoint is not available"}},
	{Name: "no client ID specified", Kind: Unknown, Rank: General, Actor: Workload, Means: "The pod got no client id: workload identity's webhook did not touch it.", Not: "Nothing was refused.", Source: "azure-workload-identity: troubleshooting", Advice: injectAdvice,
		Says: []string{"no client ID specified. Check pod configuration"}},
	{Name: "no token file specified", Kind: Unknown, Rank: General, Actor: Workload, Means: "The pod got no token file: workload identity's webhook did not touch it.", Not: "Nothing was refused.", Source: "azure-workload-identity: troubleshooting", Advice: injectAdvice,
		Says: []string{"no token file specified"}},
	{Name: "no tenant ID specified", Kind: Unknown, Rank: General, Actor: Workload, Means: "The pod got no tenant id: workload identity's webhook did not touch it.", Not: "Nothing was refused.", Source: "azure-workload-identity: troubleshooting", Advice: injectAdvice,
		Says: []string{"no tenant ID specified. Check pod configuration", "AZURE_FEDERATED_TOKEN_FILE * not set", "AZURE_FEDERATED_TOKEN_FILE is unset"}},
	{Name: "clientID cannot be empty", Kind: NotIdentity, Means: "kubelogin was given no client id.", Not: "Nothing was refused.", Advice: "Set AZURE_CLIENT_ID, or another login mode.", Az: []string{"kubelogin convert-kubeconfig -l azurecli"}, Source: "github.com/Azure/azure-cli/issues/28551",
		Says: []string{"clientID cannot be empty"}},
}

const injectAdvice = `Label the pod azure.workload.identity/use: "true", use the annotated service account, and restart the pod.`
