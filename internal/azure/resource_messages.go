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
		"Operation is not allowed because there's an in progress {operation} operation on the {kind} {name} started on {started}. Please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details", "recorded, AKS")
	AnotherOperation = message(409, "AnotherOperationInProgress",
		"Another operation on this or dependent resource is in progress.", "recorded, network resource provider")
	UnsupportedFilter = message(400, "UnsupportedQuery",
		"The filter '{filter}' is not supported.", "recorded, authorization")
	InternalServerError = message(500, "InternalServerError",
		"Encountered internal server error. Diagnostic information: timestamp '{time}', subscription id '{subscription}', tracking id '{id}', request correlation id '{correlation}'.", "recorded")
)
