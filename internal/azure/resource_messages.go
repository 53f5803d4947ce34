package azure

// What ARM itself answers before and around a resource provider (recorded traffic; azure-rest-api-specs common types).
var (
	MissingAPIVersion = message(400, "MissingApiVersionParameter",
		"The api-version query parameter (?api-version=) is required for all requests.", "recorded")
	InvalidAPIVersion = message(400, "InvalidApiVersionParameter",
		"The api-version '{version}' is invalid. The supported versions are '{supported}'.", "recorded")
	NoRegisteredProvider = message(400, "NoRegisteredProviderFound",
		"No registered resource provider found for location '{location}' and API version '{version}' for type '{type}'. The supported api-versions are '{supported}'. The supported locations are '{locations}'.", "recorded")
	InvalidNamespace = message(404, "InvalidResourceNamespace",
		"The resource namespace '{namespace}' is invalid.", "recorded")
	InvalidType = message(404, "InvalidResourceType",
		"The resource type '{type}' could not be found in the namespace '{namespace}' for api version '{version}'. The supported api-versions are '{supported}'.", "recorded")
	InvalidSubscription = message(400, "InvalidSubscriptionId",
		"The provided subscription identifier '{subscription}' is malformed or invalid.", "recorded")
	NotFound       = message(404, "NotFound", "Resource {id} not found.", "recorded, network resource provider")
	ParentNotFound = message(404, "ParentResourceNotFound",
		"Failed to perform '{verb}' on resource(s) of type '{type}', because the parent resource '{parent}' could not be found.", "recorded")
	MethodNotAllowed = message(405, "HttpMethodNotAllowed",
		"The http method '{method}' is not supported for a resource of type '{type}'.", "ARM")
	InvalidContent = message(400, "InvalidRequestContent",
		"The request content was invalid and could not be deserialized: '{cause}'.", "recorded")
	ContentTooLarge = message(413, "RequestContentTooLarge",
		"The request content size exceeds the maximum size of {max} MB.", "ARM")
	LocationRequired = message(400, "LocationRequired",
		"The location property is required for this definition.", "recorded")
	LocationNotAvailable = message(400, "LocationNotAvailableForResourceType",
		"The provided location '{location}' is not available for resource type '{type}'. List of available regions for the resource type is '{locations}'.", "recorded")
	GroupLocationNotAvailable = message(400, "LocationNotAvailableForResourceGroup",
		"The provided location '{location}' is not available for resource group. List of available regions is '{locations}'.", "recorded")
	InvalidLocation = message(409, "InvalidResourceLocation",
		"The resource '{name}' already exists in location '{old}' in resource group '{group}'. A resource with the same name cannot be created in location '{location}'. Please select a new resource name.", "recorded")
	GroupLocationConflict = message(409, "InvalidResourceGroupLocation",
		"Invalid resource group location '{location}'. The Resource group already exists in location '{old}'.", "recorded")
	GroupBeingDeleted = message(409, "ResourceGroupBeingDeleted",
		"The resource group '{group}' is in deprovisioning state and cannot perform this operation.", "recorded")
	ResourceGroupDeletionBlocked = message(409, "ResourceGroupDeletionBlocked",
		"Deletion of resource group '{group}' failed as resources with identifiers '{resources}' could not be deleted. The provisioning state of the resource group will be rolled back. The tracking Id is '{id}'. Please check audit logs for more details.", "recorded")
	InvalidName = message(400, "InvalidResourceName",
		"Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'.", "recorded, network resource provider")
	InvalidGroupName = message(400, "InvalidResourceGroup",
		"The provided resource group name '{name}' has these invalid characters: '{characters}'. The name can only be a letter, digit, '-', '.', '(', ')' or '_'.", "recorded")
	InvalidNameSegments = message(400, "InvalidResourceName",
		"The resource name '{name}' or a part of the name is invalid.", "ARM")
	PreconditionFailed = message(412, "PreconditionFailed",
		"Precondition failed.", "recorded, network resource provider")
	InvalidResourceReference = message(400, "InvalidResourceReference",
		"Resource {target} referenced by resource {id} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.", "recorded, network resource provider")
	LinkedInvalidProperty = message(400, "LinkedInvalidPropertyId",
		"Property id '{value}' at path '{path}' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.", "recorded")
	OperationInProgress = message(409, "OperationNotAllowed",
		"Operation is not allowed: Another operation ({state}) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details", "recorded, AKS")
	OperationPreempted = message(409, "OperationPreempted",
		"The operation has been preempted by another operation.", "recorded, AKS")
	SubscriptionThrottled = message(429, "SubscriptionRequestsThrottled",
		"Number of '{kind}' requests for subscription '{subscription}' actor '{actor}' exceeded. Please try again after '{seconds}' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.", "recorded 2024")
	UnsupportedFilter = message(400, "UnsupportedQuery",
		"The filter '{filter}' is not supported.", "recorded, authorization")
	InternalServerError = message(500, "InternalServerError",
		"Encountered internal server error. Diagnostic information: timestamp '{time}', subscription id '{subscription}', tracking id '{id}', request correlation id '{correlation}'.", "recorded")
)

// Role definitions and assignments that are not well formed.
var (
	RoleDefinitionDoesNotExist = message(404, "RoleDefinitionDoesNotExist",
		"The specified role definition with ID '{role}' does not exist.", "recorded; the id has no dashes")
	InvalidRoleAssignmentID = message(400, "InvalidRoleAssignmentId",
		"The role assignment ID '{id}' is not valid. The role assignment ID must be a GUID.", "recorded")
	InvalidRoleDefinitionID = message(400, "InvalidRoleDefinitionId",
		"The role definition ID '{id}' is not valid. The role definition ID must be a GUID.", "recorded")
	RoleAssignmentNotFound = message(404, "RoleAssignmentNotFound",
		"The role assignment '{id}' is not found.", "recorded")
	RoleDefinitionWithSameNameExists = message(409, "RoleDefinitionWithSameNameExists",
		"A custom role with the same name already exists in this directory. Use a different name", "recorded")
	RoleDefinitionBuiltIn = message(400, "InvalidRoleDefinition",
		"The built-in role '{role}' cannot be changed or deleted.", "authorization")
	InvalidAssignableScopes = message(400, "InvalidAssignableScopes",
		"The role definition must have at least one assignable scope, and each of them must be a subscription, a resource group or a management group; '{scope}' is none.", "authorization")
	RoleDefinitionLimitExceeded = message(400, "RoleDefinitionLimitExceeded",
		"Role definition limit exceeded. No more role definitions can be created.", "Microsoft Learn: troubleshoot Azure RBAC limits")
	TooManyAssignableScopes = message(400, "InvalidAssignableScopes",
		"The role definition can have 2000 assignable scopes, and among them one management group.", "Microsoft Learn: custom roles, limits; the words are not Azure's")
	DescriptionTooLong = message(400, "InvalidDescription",
		"The description can have 2048 bytes.", "Microsoft Learn: Azure RBAC limits; code and words are not Azure's")
	MissingRoleName = message(400, "MissingRoleDefinitionName",
		"The role definition must have a name of at most 512 characters.", "authorization; limits: azure-facts 3.6")
)

// The network resource provider.
var (
	InUseSubnet = message(400, "InUseSubnetCannotBeDeleted",
		"Subnet {name} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.", "recorded")
	InUseRouteTable = message(400, "InUseRouteTableCannotBeDeleted",
		"Route table {name} is in use and cannot be deleted.", "recorded")
	InUseNSG = message(400, "InUseNetworkSecurityGroupCannotBeDeleted",
		"Network security group {id} cannot be deleted because it is in use by the following resources: {user}. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg.", "recorded")
	InUseNATGateway = message(400, "InUseNatGatewayCannotBeDeleted",
		"NAT gateway {id} cannot be deleted since it is in use by {user}.", "recorded")
	PublicIPInUse = message(400, "PublicIPAddressCannotBeDeleted",
		"Public IP address {id} can not be deleted since it is still allocated to resource {user}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip.", "recorded")
	PublicIPPrefixInUse = message(400, "PublicIpPrefixCannotBeDeleted",
		"Public IP prefix {id} can not be deleted since it is in use by {user}.", "recorded")
	InvalidAddressSpace = message(400, "VnetAddressSpaceIsNotSpecified",
		"Address space is not specified for virtual network {id}.", "network resource provider")
	MissingAddressPrefix = message(400, "NoAddressPrefixOrPoolProvided",
		"No address prefix or IPAM pool provided for the subnet {subnet} in virtual network {network}.", "recorded")
	InvalidCIDR = message(400, "InvalidCIDRNotation",
		"The address prefix {prefix} in resource {owner} has an invalid CIDR notation. For the given prefix length, the address prefix should be a network address.", "recorded")
	SubnetOutsideNetwork = message(400, "NetcfgSubnetRangeOutsideVnet",
		"Subnet '{subnet}' is not valid because its IP address range is outside the IP address range of virtual network '{network}'.", "recorded")
	SubnetsOverlap = message(400, "NetcfgSubnetRangesOverlap",
		"Subnet '{subnet}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{other}'.", "recorded")
	SubnetIsFull = message(400, "SubnetIsFull",
		"Subnet {subnet} with address prefix {prefix} does not have enough capacity for 1 IP addresses.", "recorded")
)

// The registry's resource provider.
var (
	InvalidRegistryName = message(400, "RegistryNameInvalid",
		"The registry name '{name}' is invalid. Registry names may contain only alpha numeric characters and must be between 5 and 50 characters.", "recorded")
	RegistryNameTaken = message(409, "AlreadyInUse",
		"The registry DNS name {server} is already in use. You can check if the name is already claimed using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability", "recorded")
	InvalidSKU = message(400, "SkuNotSupported",
		"The SKU '{sku}' is not supported. Supported SKUs are Basic, Standard and Premium.", "container registry")
)

// AKS's resource provider, beside its checks of permissions.
var (
	NodeGroupExists = message(400, "NodeResourceGroupAlreadyExists",
		"Node resource group '{group}' under subscription '{subscription}' already exists, please provide a new one.", "github.com/hashicorp/terraform-provider-azurerm/issues/7562")
	NodeGroupSame = message(400, "NodeResourceGroupSameAsResourceGroup",
		"Node resource group '{group}' is the same as ResourceGroup '{group}', which is not allowed, please provide a different node resource group.", "github.com/Azure/azure-cli/issues/27215")
	PropertyChangeNotAllowed = message(400, "PropertyChangeNotAllowed",
		"Changing property '{path}' is not allowed.", "recorded, AKS")
	InvalidParameter = message(400, "InvalidParameter",
		"The value of parameter {path} is invalid. Error details: {details}. Please see https://aka.ms/aks-naming-rules for more details.", "recorded, AKS")
	MissingParameter = message(400, "InvalidParameter",
		"Required parameter {path} is missing (null).", "recorded, AKS")
	ServicePrincipalNotFound = message(400, "ServicePrincipalNotFound",
		"Service principal clientID: {app} not found in Active Directory tenant {tenant}, Please see https://aka.ms/aks-sp-help for more details.", "recorded, AKS")
)

// ARM and its providers on children of a resource.
var (
	InvalidRequestFormat = message(400, "InvalidRequestFormat",
		"Cannot parse the request.", "recorded, network resource provider; the cause is in the details")
	DuplicateResourceName = message(400, "DuplicateResourceName",
		"Resource {id} has two child resources with the same name ({name}).", "recorded, network resource provider")
	CannotDeleteResource = message(409, "CannotDeleteResource",
		"Cannot delete resource while nested resources exist. Some existing nested resource IDs include: '{resources}'. Please delete all nested resources before deleting this resource.", "recorded")
)

// Deny assignments and locks.
var (
	InvalidDenyAssignment = message(400, "InvalidDenyAssignment",
		"The deny assignment is not valid: {reason}.", "authorization, api-version 2024-07-01-preview")
	DenyAssignmentProtected = message(403, "DenyAssignmentIsSystemProtected",
		"The deny assignment '{id}' is system protected and cannot be changed or deleted.", "authorization")
	InvalidLockLevel = message(400, "LockLevelInvalid",
		"The lock level '{level}' is invalid. It must be CanNotDelete or ReadOnly.", "locks")
)

// Management groups.
var (
	ManagementGroupCycle = message(400, "BadRequest",
		"The management group '{name}' cannot be moved under '{parent}', which is below it.", "management groups")
	ManagementGroupNameTaken = message(409, "AlreadyExists",
		"The group with the specified name already exists", "recorded")
	ManagementGroupNameRunes = message(400, "Invalid",
		"The provided management group name '{name}' has these invalid characters: '{runes}'. The name can only be an ASCII letter, digit, -, _, (, ), .", "recorded")
	ManagementGroupHasChildren = message(400, "BadRequest",
		"The management group '{name}' cannot be deleted since '{child}' is under it.", "management groups")
)

// Azure Resource Graph.
var InvalidQuery = message(400, "BadRequest",
	"Please provide below info when asking for support: timestamp, correlationId.", "recorded; the details say what is wrong")

// Azure Monitor.
var (
	MonitorInvalid = message(400, "BadRequest",
		"The {what} is not valid: {reason}.", "local: what Azure says depends on the field")
	WorkspaceKeysDisabled = message(403, "LocalAuthDisabled",
		"Local authentication is disabled for this workspace: it takes nothing from agents.", "local: nothing can send here")
)

// Template deployments.
var (
	DeploymentFailed = message(409, "DeploymentFailed",
		"At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.", "recorded")
	DeploymentInvalid = message(400, "InvalidTemplateDeployment",
		"Deployment failed with multiple errors: '{errors}'", "recorded: ARM preflight")
	DeploymentCanceled = message(409, "DeploymentCanceled",
		"The deployment was canceled.", "recorded")
	DeploymentNotRunning = message(409, "DeploymentCannotBeCancelled",
		"The deployment '{name}' cannot be cancelled because its provisioning state is '{state}'.", "recorded")
)
