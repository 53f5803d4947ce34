package azure

// The registry's data plane, beside what messages.go has.
var (
	RegistryDigestUnknown = message(404, "MANIFEST_UNKNOWN",
		"manifest {digest} is not found", "github.com/Azure/acr-cli/issues/459")
	RegistryTagUnknown = message(404, "TAG_UNKNOWN",
		"the specified tag does not exist", "container registry")
	RegistryDisallowed = message(405, "REGISTRY_DISALLOWED_OPERATION",
		"The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation", "Microsoft Learn: container registry, push and delete issues; recorded")
)

// Key Vault's data plane, beside what messages.go has. Those of status 403 and 409 stand inside of Forbidden and Conflict.
var (
	VaultTokenMissing = message(401, "Unauthorized",
		"AKV10000: Request is missing a Bearer or PoP token.", "recorded")
	VaultTokenAudience = message(401, "Unauthorized",
		"AKV10022: Invalid audience. Expected https://vault.azure.net, found: {audience}.", "recorded")
	VaultTokenInvalid = message(401, "Unauthorized",
		"[BearerReadAccessTokenFailed] Error validating token.", "Key Vault")
	VaultSecretDisabled = message(403, "SecretDisabled",
		"Operation get is not allowed on a disabled secret.", "recorded")
	VaultKeyDisabled = message(403, "KeyDisabled",
		"Operation {operation} is not allowed on a disabled key.", "recorded")
	VaultKeyOperation = message(403, "KeyOperationForbidden",
		"Operation {operation} is not permitted on this key.", "recorded")
	VaultPurgeProtected = message(403, "ForbiddenByPolicy",
		"Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.", "Microsoft Learn: Key Vault, soft delete")
	VaultObjectDeleted = message(409, "ObjectIsDeletedButRecoverable",
		"{kind} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the {object} can only be recovered or purged.", "recorded")
	VaultDeletedNotFound = message(404, "SecretNotFound",
		"Deleted Secret not found: {name}", "recorded")
	VaultKeyNotFound = message(404, "KeyNotFound",
		"A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", "recorded")
	VaultDeletedKeyNotFound = message(404, "KeyNotFound",
		"Deleted Key not found: {name}", "recorded")
)

// Storage's data planes, beside what messages.go has (Microsoft Learn: common REST API error codes; Queue service error codes).
var (
	StorageNoAuthentication = message(401, "NoAuthenticationInformation",
		"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.", "recorded")
	StorageInvalidAuthentication = message(401, "InvalidAuthenticationInfo",
		"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.", "recorded")
	StorageInvalidXML = message(400, "InvalidXmlDocument",
		"XML specified is not syntactically valid.", "Microsoft Learn: common REST API error codes")
	StorageBodyTooLarge = message(413, "RequestBodyTooLarge",
		"The request body is too large and exceeds the maximum permissible limit.", "Microsoft Learn: common REST API error codes")
	StorageInvalidName = message(400, "InvalidResourceName",
		"The specified resource name contains invalid characters.", "recorded")
	StorageOutOfRange = message(400, "OutOfRangeQueryParameterValue",
		"One of the query parameters specified in the request URI is outside the permissible range.", "Microsoft Learn: common REST API error codes")
	StorageMissingParameter = message(400, "MissingRequiredQueryParameter",
		"A required query parameter was not specified for this request.", "Microsoft Learn: common REST API error codes")
	StorageQueueNotFound = message(404, "QueueNotFound",
		"The specified queue does not exist.", "Microsoft Learn: Queue service error codes")
	StorageQueueExists = message(409, "QueueAlreadyExists",
		"The specified queue already exists.", "Microsoft Learn: Queue service error codes")
	StorageMessageNotFound = message(404, "MessageNotFound",
		"The specified message does not exist.", "Microsoft Learn: Queue service error codes")
	StorageMessageTooLarge = message(400, "MessageTooLarge",
		"The message exceeds the maximum allowed size.", "Microsoft Learn: Queue service error codes")
	StoragePopReceipt = message(400, "PopReceiptMismatch",
		"The specified pop receipt did not match the pop receipt for a dequeued message.", "Microsoft Learn: Queue service error codes")
)

// The resource providers of registries, vaults and storage accounts.
var (
	RegistryAdminDisabled = message(400, "UnAuthorizedForCredentialOperations",
		"Cannot perform credential operations for {id} as admin user is disabled. Kindly enable the admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account", "recorded")
	InvalidScopeMapAction = message(400, "InvalidScopeMapAction",
		"The action '{action}' is not valid: scope maps take repositories/<name>/content/read, write or delete and repositories/<name>/metadata/read or write.", "container registry")
	VaultNameInvalid = message(400, "VaultNameNotValid",
		"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742", "recorded")
	VaultNameTaken = message(409, "VaultAlreadyExists",
		"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.", "recorded")
	VaultSoftDeleted = message(409, "ConflictError",
		"A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.", "recorded")
	DeletedVaultNotFound = message(404, "DeletedVaultNotFound",
		"The specified deleted vault '{name}' does not exist.", "recorded")
	VaultPurgeProtectionStays = message(400, "BadRequest",
		"The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.", "recorded")
	DeletedVaultPurge = message(400, "BadRequest",
		"Operation \"DeletedVaultPurge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed. Vault: {name}", "recorded")
	StorageNameInvalid = message(400, "AccountNameInvalid",
		"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.", "recorded")
	StorageNameTaken = message(409, "StorageAccountAlreadyTaken",
		"The storage account named {name} is already taken.", "recorded")
)
