package azure

// What ARM answers to a move of resources between resource groups, most of it at the end of the operation.
var (
	ResourceMoveFailed = message(409, "ResourceMoveProviderValidationFailed",
		"Resource move validation failed. Please see details. Diagnostic information: timestamp '{time}', subscription id '{subscription}', tracking id '{id}', request correlation id '{correlation}'.", "recorded")
	ResourceMoveNotSupported = message(409, "ResourceMoveNotSupported",
		"Resource move is not supported for resource types '{type}'.", "recorded")
	MissingMoveDependentResources = message(409, "MissingMoveDependentResources",
		"The move resources request does not contain all the dependent resources. Please check details for missing resource Ids.", "recorded, network and compute resource providers")
	CannotMoveResource = message(409, "CannotMoveResource",
		"Cannot move one or more resources in the request. Please check details for information about each resource.", "recorded, network resource provider")
	MoveResourcesHavePendingOperations = message(409, "MoveResourcesHavePendingOperations",
		"The move resources request contains resources that have pending operations. Please check details for these resource Ids.", "Microsoft Learn: Troubleshoot common Azure deployment errors")
	ResourceMoveConflict = message(409, "ResourceExists",
		"The resource '{id}' already exists.", "ARM")
)
