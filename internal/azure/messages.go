package azure

// The texts of authorization (azure-facts 3.8), word for word.
var (
	AuthorizationFailed = &Message{403, "AuthorizationFailed",
		"The client '{client}' with object id '{oid}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		"azure-facts 3.8, recorded"}
	AuthorizationFailedCondition = &Message{403, "AuthorizationFailed",
		"The client '{client}' with object id '{oid}' does not have authorization or an ABAC condition not fulfilled to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		"azure-facts 3.7, 3.8"}
	LinkedAuthorizationFailed = &Message{403, "LinkedAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action(s) '{linkedAction}' on the linked scope(s) '{linkedScope}' (respectively) or the linked scope(s) are invalid.",
		"azure-facts 3.8, second generation (2023)"}
	LinkedAuthorizationFailedDenied = &Message{403, "LinkedAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action '{linkedAction}' on the '{n}' linked scope(s) '{linkedScope}' or the linked scope(s) are invalid and is blocked by deny assignments on the '{denied}' linked scope(s) '{deniedScope}'.",
		"azure-facts 3.8, with deny"}
	DenyAssignmentAuthorizationFailed = &Message{403, "DenyAssignmentAuthorizationFailed",
		"The client '{client}' with object id '{oid}' has permission to perform action '{action}' on scope '{scope}'; however, the access is denied because of the deny assignment with name '{name}' and Id '{id}' at scope '{denyScope}'.",
		"azure-facts 3.8"}
)
