package azure

// Conditions of role assignments.
var (
	RoleAssignmentConditionInvalid = message(400, "InvalidRoleAssignmentCondition",
		"The given role assignment condition is invalid.",
		"Microsoft Learn: troubleshoot Azure role assignment conditions; github.com/Azure/azure-cli/issues/15683; the code as users report it")
	RoleAssignmentAttributeInvalid = message(400, "InvalidRoleAssignmentCondition",
		"{source} attribute {name} is not valid.",
		"Microsoft Learn: troubleshoot Azure role assignment conditions")
)

// Privileged Identity Management of Azure resources.
var (
	RequestorNotPermitted = message(400, "InsufficientPermissions",
		"The requestor {oid} does not have permissions for this request. Please use $filter=asTarget() to filter on the requestor's assignments.",
		"github.com/hashicorp/terraform-provider-azurerm/pull/20731")
	RoleNotAssignableAtScope = message(400, "RoleAssignmentScopeNotAssignableToRoleDefinition",
		"The role assignment scope '{scope}' is not assignable to the role definition '{role}'.",
		"the code as retries in public deployment tools name it; the text is ours")
	DataRoleAtManagementGroup = message(400, "InvalidCreateRoleAssignmentRequest",
		"Role assignments to Management Groups can not be made to custom role definitions with DataActions",
		"github.com/netr0m/az-pim-cli/issues/97")
	PolicyRulesFailed = message(400, "RoleAssignmentRequestPolicyValidationFailed",
		"The following policy rules failed: {rules}",
		"github.com/hashicorp/terraform-provider-azurerm/issues/22766; the rules are a JSON list")
	ScheduledAssignmentExists = message(400, "RoleAssignmentExists",
		"The Role assignment already exists.", "recorded 2026")
	ScheduledAssignmentMissing = message(400, "RoleAssignmentDoesNotExist",
		"The Role assignment does not exist.", "recorded 2026")
	ActiveDurationTooShort = message(400, "ActiveDurationTooShort",
		"The Active duration is too short. Miniumum Required is 5 minutes.", "recorded 2026, the typing error is the service's")
	PendingAssignmentRequest = message(400, "PendingRoleAssignmentRequest",
		"There is already an existing pending Role assignment request.", "recorded")
	InvalidRequestSchedule = message(400, "InvalidRoleAssignmentRequestSchedule",
		"The role assignment request schedule is invalid.", "recorded")
	InvalidAssignmentRequest = message(400, "InvalidRoleAssignmentRequest",
		"The role assignment request is invalid.", "github.com/hashicorp/terraform-provider-azuread/issues/1464")
	InvalidManagementPolicy = message(400, "InvalidPolicy",
		"The policy is invalid.", "github.com/kayasax/EasyPIM/issues/28")
)
