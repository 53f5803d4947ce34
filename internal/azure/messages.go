package azure

// The texts of authorization (azure-facts 3.8), word for word.
var (
	AuthorizationFailed = message(403, "AuthorizationFailed",
		"The client '{client}' with object id '{oid}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		"azure-facts 3.8, recorded")
	AuthorizationFailedCondition = message(403, "AuthorizationFailed",
		"The client '{client}' with object id '{oid}' does not have authorization or an ABAC condition not fulfilled to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		"azure-facts 3.7, 3.8")
	LinkedAuthorizationFailed = message(403, "LinkedAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action(s) '{linkedAction}' on the linked scope(s) '{linkedScope}' (respectively) or the linked scope(s) are invalid.",
		"azure-facts 3.8, second generation (2023)")
	LinkedAuthorizationFailedDenied = message(403, "LinkedAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action '{linkedAction}' on the '{n}' linked scope(s) '{linkedScope}' or the linked scope(s) are invalid and is blocked by deny assignments on the '{denied}' linked scope(s) '{deniedScope}'.",
		"azure-facts 3.8, with deny")
	DenyAssignmentAuthorizationFailed = message(403, "DenyAssignmentAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, the access is denied because of the deny assignment with name '{name}' and Id '{id}' at scope '{denyScope}'.",
		"azure-facts 3.8")
)

// AuthorizationFailed and its relatives, continued.
var (
	LinkedAuthorizationFailedOld = message(403, "LinkedAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action '{linkedAction}' on the linked scope(s) '{linkedScope}' or the linked scope(s) are invalid.",
		"recorded until 2023")
	LinkedAuthorizationFailedTenant = message(403, "LinkedAuthorizationFailed",
		"The client has permission to perform action '{action}' on scope '{scope}', however the current tenant '{tenant}' is not authorized to access linked subscription '{subscription}'.",
		"github.com/Azure/AKS/issues/2040")
	LinkedAccessCheckFailed = message(400, "LinkedAccessCheckFailed",
		"The client with object id '{oid}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid.",
		"github.com/Azure/mpf/issues/44")
	TemplateAuthorizationFailed = message(400, "InvalidTemplateDeployment",
		"Authorization failed for template resource '{name}' of type '{type}'. The client '{client}' with object id '{oid}' does not have permission to perform action '{action}' at scope '{scope}'.",
		"recorded: ARM preflight; several are joined by ':'")
	GatewaySubnetNotJoinable = message(400, "ApplicationGatewayInsufficientPermissionOnSubnet",
		"Client with object id {oid} does not have permission on the Virtual Network resource {scope} to perform action {action}. For details on the required permissions, please visit https://aka.ms/agsubnetjoin.",
		"github.com/MicrosoftDocs/azure-docs/issues/116501")
	GatewayForbidden = message(403, "ErrorApplicationGatewayForbidden",
		"Unexpected status code '403' while performing a GET on Application Gateway. You can use 'az role assignment create --role Reader --scope {groupScope} --assignee {groupAssignee}; az role assignment create --role Contributor --scope {scope} --assignee {assignee}' to assign permissions. AGIC Identity needs atleast has 'Contributor' access to Application Gateway '{gateway}' and 'Reader' access to Application Gateway's Resource Group '{group}'.",
		"github.com/Azure/application-gateway-kubernetes-ingress/issues/997")
	KubernetesAccessDenied = message(403, "Forbidden",
		"forbidden: User \"{client}\" cannot {verb} resource \"{resource}\" in API group \"{apiGroup}\" at the cluster scope: User does not have access to the resource in Azure. Update role assignment to allow access.",
		"github.com/Azure/AKS/issues/2803")
	KubernetesAccessDeniedNamespace = message(403, "Forbidden",
		"forbidden: User \"{client}\" cannot {verb} resource \"{resource}\" in API group \"{apiGroup}\" in the namespace \"{namespace}\": User does not have access to the resource in Azure. Update role assignment to allow access.",
		"github.com/Azure/AKS/issues/2803")
)

// Tokens that ARM does not accept.
var (
	AuthenticationMissing = message(401, "AuthenticationFailed",
		"Authentication failed. The 'Authorization' header is missing.", "recorded")
	InvalidAuthenticationToken = message(401, "InvalidAuthenticationToken",
		"The access token is invalid.", "recorded")
	ExpiredAuthenticationToken = message(401, "ExpiredAuthenticationToken",
		"The access token expiry UTC time '{expiry}' is earlier than current UTC time '{now}'.", "recorded")
	InvalidAuthenticationTokenAudience = message(401, "InvalidAuthenticationTokenAudience",
		"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match with one of the allowed audiences '{allowed}'.", "recorded")
	InvalidAuthenticationTokenTenant = message(401, "InvalidAuthenticationTokenTenant",
		"The access token is from the wrong issuer '{issuer}'. It must match the tenant '{tenant}' associated with this subscription. Please use the authority (URL) '{authority}' to get the token. Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see this error message, please try back later.",
		"recorded")
)

// What else refuses a call in ARM: locks, policies, names, registrations.
var (
	ScopeLocked = message(409, "ScopeLocked",
		"The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: '{lockedScope}'. Please remove the lock and try again.",
		"github.com/Azure/apiops/issues/606")
	RequestDisallowedByPolicy = message(403, "RequestDisallowedByPolicy",
		"Resource '{name}' was disallowed by policy. Policy identifiers: '{policies}'.",
		"Microsoft Learn: RequestDisallowedByPolicy error; enforce job execution on a Hybrid Runbook Worker, a recorded answer with its details")
	ResourceNotFound = message(404, "ResourceNotFound",
		"The Resource '{resource}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		"recorded")
	ResourceGroupNotFound = message(404, "ResourceGroupNotFound",
		"Resource group '{group}' could not be found.", "recorded")
	SubscriptionNotFound = message(404, "SubscriptionNotFound",
		"The subscription '{subscription}' could not be found.", "recorded")
	MissingSubscriptionRegistration = message(409, "MissingSubscriptionRegistration",
		"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions.",
		"github.com/virtual-kubelet/virtual-kubelet/issues/358")
	FailedIdentityOperation = message(400, "FailedIdentityOperation",
		"Identity operation for resource '{scope}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: '{\"error\":{\"code\":\"BadRequest\",\"message\":\"Resource '{identity}' was not found.\"}}'.'.",
		"github.com/Azure/aad-pod-identity/issues/515")
)

// Writing role assignments and role definitions.
var (
	RoleAssignmentExists = message(409, "RoleAssignmentExists",
		"The role assignment already exists.", "recorded")
	RoleAssignmentExistsWithID = message(409, "RoleAssignmentExists",
		"The role assignment already exists. The ID of the existing role assignment is {id}.", "recorded 2025 and 2026; the id is the name without its dashes")
	RoleAssignmentUpdateNotPermitted = message(400, "RoleAssignmentUpdateNotPermitted",
		"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.", "recorded")
	PrincipalNotFound = message(400, "PrincipalNotFound",
		"Principal {principal} does not exist in the directory {tenant}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
		"recorded; the id has no dashes")
	UnmatchedPrincipalType = message(400, "UnmatchedPrincipalType",
		"The PrincipalId '{principal}' has type '{actual}' , which is different from specified PrinciaplType '{given}'.",
		"recorded, the typing error is the service's")
	PrincipalTypeNotSupported = message(400, "PrincipalTypeNotSupported",
		"Principals of type {type} cannot validly be used in role assignments.", "recorded")
	InvalidPrincipalID = message(400, "InvalidPrincipalId",
		"A valid principal ID must be provided for role assignment.", "recorded")
	RoleAssignmentLimitExceeded = message(400, "RoleAssignmentLimitExceeded",
		"No more role assignments can be created.", "Microsoft Learn: troubleshoot Azure RBAC limits")
	LastRBACAdmin = message(409, "CannotDeleteLastRbacAdminAssignment",
		"Cannot delete the last RBAC admin assignment.", "Microsoft Learn: troubleshoot Azure RBAC")
	RoleDefinitionHasAssignments = message(400, "RoleDefinitionHasAssignments",
		"There are existing role assignments referencing role.", "Microsoft Learn: troubleshoot Azure RBAC")
	InvalidActionOrNotAction = message(400, "InvalidActionOrNotAction",
		"'{action}' does not match any of the actions supported by the providers.", "recorded")
	GraphRequestDenied = message(403, "Authorization_RequestDenied",
		"Insufficient privileges to complete the operation.", "Microsoft Graph, recorded")
)

// AKS's own checks.
var (
	CustomKubeletIdentityMissingPermission = message(400, "CustomKubeletIdentityMissingPermissionError",
		"The cluster using user-assigned managed identity must be granted 'Managed Identity Operator' role to assign kubelet identity. You can run 'az role assignment create --assignee <control-plane-identity-principal-id> --role 'Managed Identity Operator' --scope <kubelet-identity-resource-id>' to grant the permission. See https://learn.microsoft.com/en-us/azure/aks/use-managed-identity#add-role-assignment",
		"recorded")
	CustomKubeletIdentityOnlyUserAssigned = message(400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster",
		"Custom kubelet identity is only supported on clusters using user-assigned managed identity.", "the code: published list of AKS error codes")
	CustomRouteTableMissingPermission = message(400, "CustomRouteTableMissingPermission",
		"Managed identity or service principle must be given permission to read and write to custom route table {scope}. Please see https://aka.ms/aks/customrt for more information",
		"github.com/Azure/AKS-Construction/issues/501")
	CustomRouteTableSystemAssigned = message(400, "CustomRouteTableWithUnsupportedMSIType",
		"Clusters using managed identity type SystemAssigned do not support bringing your own route table. Please see https://aka.ms/aks/customrt for more information",
		"github.com/Azure/AKS/issues/2333")
	CustomPrivateDNSZoneMissingPermission = message(400, "CustomPrivateDNSZoneMissingPermissionError",
		"Service principal or user-assigned identity must be given permission to read and write to custom private dns zone {scope}. Check access result not allowed for action {action}.",
		"github.com/Azure/Azure-Landing-Zones/issues/2892")
	ResourceMissingPermission = message(400, "ResourceMissingPermissionError",
		"Service principal or user-assigned identity does not have Permission to resource {scope}. Check access result not allowed for action {action}.",
		"az CLI tests of 2026")
	KMSIdentityMissingPermission = message(400, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError",
		"The identity does not have keys encrypt/decrypt permission on key vault {vault}",
		"github.com/MicrosoftDocs/azure-docs/issues/98954")
	KMSSystemAssigned = message(400, "BadRequest",
		"AzureKeyVaultKms feature does not support cluster identity type SystemAssigned, supported value is 'UserAssigned'",
		"github.com/Azure/AKS-Construction/issues/303")
	ServicePrincipalInvalid = message(400, "ServicePrincipalValidationClientError",
		"The credentials in ServicePrincipalProfile were invalid. Please see https://aka.ms/aks-sp-help for more details. (Details: {details})",
		"github.com/Azure/azure-cli/issues/5190")
	BootstrapRegistryUnauthorized = message(400, "VMExtensionProvisioningError",
		"Bootstrap Container Registry authorization failed. Please ensure kubelet identity has pull access to the registry.",
		"Microsoft Support: OrasPullUnauthorizedVMExtensionError")
)

// The token endpoints of Entra: error_description, which also carries trace id, correlation id and time.
var (
	SecretWrong = message(401, "AADSTS7000215",
		"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.", "recorded")
	SecretExpired = message(401, "AADSTS7000222",
		"The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", "recorded")
	ApplicationNotFound = message(400, "AADSTS700016",
		"Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", "recorded")
	ApplicationDisabled = message(400, "AADSTS7000112",
		"Application '{app}'({name}) is disabled.", "recorded")
	CredentialMissing = message(401, "AADSTS7000216",
		"'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.", "recorded")
	FederationNoMatch = message(400, "AADSTS70021",
		"No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'. https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation",
		"recorded until 2023")
	FederationIssuer = message(401, "AADSTS700211",
		"No matching federated identity record found for presented assertion issuer '{issuer}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", "recorded")
	FederationAudience = message(401, "AADSTS700212",
		"No matching federated identity record found for presented assertion audience '{audience}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", "recorded")
	FederationSubject = message(401, "AADSTS700213",
		"No matching federated identity record found for presented assertion subject '{subject}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", "recorded")
	FederationSubjectCase = message(401, "AADSTS7002138",
		"No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. See documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation.",
		"github.com/Azure/login/issues/515")
	AssertionExpired = message(401, "AADSTS700024",
		"Client assertion is not within its valid time range. Current time: {now}, assertion valid from {from}, expiry time of assertion {until}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", "recorded")
	ClientNotPermitted = message(401, "AADSTS650057",
		"Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Client app ID: {client}({name}). Resource value from request: {resource}. Resource app ID: {app}. List of valid resources from app registration: {valid}.",
		"github.com/Azure/azure-cli/issues/25289")
	IssuerUnreachable = message(400, "AADSTS90061",
		"Request to External OIDC endpoint failed.", "azure-workload-identity: troubleshooting")
	ResourceUnknown = message(400, "AADSTS500011",
		"The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", "recorded")
	TenantNotFound = message(400, "AADSTS90002",
		"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", "recorded")
	TenantMalformed = message(400, "AADSTS900023",
		"Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.", "recorded")
	GrantUnsupported = message(400, "AADSTS70003",
		"The app requested an unsupported grant type '{grant}'.", "recorded")
	ScopeInvalid = message(400, "AADSTS70011",
		"The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.", "recorded")
	ParameterMissing = message(400, "AADSTS900144",
		"The request body must contain the following parameter: '{name}'.", "recorded")
)

// The instance metadata service: error_description beside error "invalid_request".
var (
	IdentityNotAttached = message(400, "invalid_request",
		"Identity not found", "recorded")
	SeveralIdentities = message(400, "invalid_request",
		"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request", "recorded")
	MetadataHeaderMissing = message(400, "bad_request_102",
		"Required metadata header not specified", "Microsoft Learn: managed identities, error handling")
)

// The registry.
var (
	RegistryUnauthorized = message(401, "UNAUTHORIZED",
		"authentication required, visit https://aka.ms/acr/authorization for more information.",
		"github.com/Azure/acr/issues/841")
	RegistryFirewall = message(403, "DENIED",
		"client with IP '{ip}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.",
		"github.com/docker/build-push-action/issues/1214")
	RegistryDenied = message(403, "DENIED",
		"requested access to the resource is denied", "distribution specification")
	RegistryNameUnknown = message(404, "NAME_UNKNOWN",
		"repository \"{repository}\" is not found", "recorded")
	RegistryManifestUnknown = message(404, "MANIFEST_UNKNOWN",
		"manifest tagged by \"{tag}\" is not found", "recorded")
)

// Key Vault's data plane. The code on the wire is Forbidden; the inner code is what tells the cases apart.
var (
	VaultForbiddenByRBAC = message(403, "ForbiddenByRbac",
		"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid={app};oid={oid};iss={issuer}\r\nAction: '{action}'\r\nResource: '{scope}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: {vault};location={location}",
		"recorded")
	VaultAccessDenied = message(403, "AccessDenied",
		"The user, group or application 'appid={app};oid={oid};iss={issuer}' does not have {permission} permission on key vault '{vault};location={location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
		"github.com/external-secrets/external-secrets/issues/586")
	VaultForbiddenByPolicy = message(403, "ForbiddenByPolicy",
		"The policy requires the caller 'appid={app};oid={oid};iss={issuer}' to use on-behalf-of (OBO) flow. For more information on OBO, please see https://go.microsoft.com/fwlink/?linkid=2152310",
		"github.com/SparebankenVest/azure-key-vault-to-kubernetes/issues/232")
	VaultForbiddenByFirewall = message(403, "ForbiddenByFirewall",
		"Client address is not authorized and caller is not a trusted service.\r\nClient address: {ip}\r\nCaller: appid={app};oid={oid};iss={issuer}\r\nVault: {vault};location={location}",
		"github.com/hashicorp/terraform-provider-azurerm/issues/20742")
	VaultForbiddenByConnection = message(403, "ForbiddenByConnection",
		"Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: appid={app};oid={oid};iss={issuer}\r\nVault: {vault};location={location}",
		"github.com/Azure/secrets-store-csi-driver-provider-azure/issues/873")
	VaultSecretNotFound = message(404, "SecretNotFound",
		"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", "recorded")
)

// Data planes that name the data action.
var DataActionMissing = message(401, "PermissionDenied",
	"The principal `{oid}` lacks the required data action `{action}` to perform `{verb}` operation.", "Azure OpenAI, github.com/Azure-Samples/azure-search-openai-demo")

// Storage's data planes.
var (
	StoragePermissionMismatch = message(403, "AuthorizationPermissionMismatch",
		"This request is not authorized to perform this operation using this permission.", "Microsoft Learn: storage error codes")
	StorageAuthorizationFailure = message(403, "AuthorizationFailure",
		"This request is not authorized to perform this operation.", "Microsoft Learn: storage error codes; network rules")
	StorageAuthenticationFailed = message(403, "AuthenticationFailed",
		"Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.", "Microsoft Learn: storage error codes")
	StorageKeyNotPermitted = message(403, "KeyBasedAuthenticationNotPermitted",
		"Key based authentication is not permitted on this storage account.", "Microsoft Learn: storage error codes")
)
