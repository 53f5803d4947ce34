package azure

// Azure Policy: definitions, assignments, and what assigned policies refuse.

// Policies refuse a write or a deletion; RequestDisallowedByPolicy stands with what else refuses.
var (
	RequestDisallowedByPolicyReasons = message(403, "RequestDisallowedByPolicy",
		"Resource '{name}' was disallowed by policy. Reasons: '{reasons}'. See error details for policy resource IDs.",
		"recorded answers of assignments with non-compliance messages: Azure/azure-policy, Microsoft Learn: assignment structure")
	DeletionDisallowedByPolicy = message(403, "RequestDisallowedByPolicy",
		"Deletion of resource '{name}' was disallowed by policy. Policy identifiers: '{policies}'.",
		"a recorded answer to az network route-table route delete under a denyAction policy; Microsoft Learn: denyAction effect")
	DeletionDisallowedByPolicyReasons = message(403, "RequestDisallowedByPolicy",
		"Deletion of resource '{name}' was disallowed by policy. Reasons: '{reasons}'. See error details for policy resource IDs.",
		"the recorded refusal of a deletion, with reasons as the recorded refusals of writes have them")
	TemplatePolicyViolation = message(400, "InvalidTemplateDeployment", "The template deployment failed because of policy violation. Please see details for more information.",
		"recorded in issues of Azure/azure-policy and Azure/bicep: ARM's preflight")
	PolicyEvaluationFailed = message(403, "RequestDisallowedByPolicy",
		"The policy definition '{definition}' targeted by policy assignment '{assignment}' could not be evaluated for resource '{name}', which denies the request: '{cause}'.",
		"Microsoft Learn: Azure Policy definition structure: a failed evaluation is an implicit deny; the wording is ours")
)

// Definitions that are no policy.
var (
	InvalidPolicyRule  = message(400, "InvalidPolicyRule", "Failed to parse policy rule: '{cause}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	InvalidPolicyAlias = message(400, "InvalidPolicyAlias",
		"The policy definition '{policy}' rule is invalid. The 'field' property '{alias}' of the policy rule doesn't exist as an alias under provider '{provider}' and resource type '{type}'. The supported aliases are '{aliases}'.",
		"recorded: Azure/azure-policy#363; how the aliases are separated is ours")
	MissingPolicyRule         = message(400, "InvalidPolicyRule", "The policy definition '{policy}' has no policy rule. A definition needs the property 'policyRule' with 'if' and 'then'.", "Microsoft Learn: Azure Policy definition structure; the wording is ours")
	InvalidPolicyExpression   = message(400, "InvalidPolicyParameters", "A function or parameter in policy '{policy}' could not be validated. If using template functions, try following the tips in: https://aka.ms/policy-avoiding-template-failures. The inner exception '{cause}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	UndefinedInRule           = message(400, "InvalidPolicyParameters", "A function or parameter in policy '{policy}' could not be validated. If using template functions, try following the tips in: https://aka.ms/policy-avoiding-template-failures. The inner exception 'The policy '{policy}' has undefined parameter '{parameter}' which is used in the policy rule. Please either define it in policy definition or remove the reference in policy rule.'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	UnusedPolicyParameters    = message(400, "UnusedPolicyParameters", "The policy '{policy}' has defined parameters '{parameters}' which are not used in the policy rule. Please either remove these parameters from the definition or ensure that they are used in the policy rule.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	InvalidPolicyParameter    = message(400, "InvalidPolicyParameters", "The parameter '{parameter}' of the policy '{policy}' is invalid: {cause}.", "Microsoft Learn: Azure Policy definition structure; the wording is ours")
	InvalidPolicyMode         = message(400, "InvalidPolicyDefinition", "The policy definition '{policy}' has the mode '{mode}', which is not valid. The modes are 'All', 'Indexed' and those of resource providers.", "Microsoft Learn: Azure Policy definition structure; the wording is ours")
	UndefinedPolicyParameter  = message(400, "UndefinedPolicyParameter", "The policy assignment '{assignment}' has the parameter(s) '{parameters}' which are not defined in the policy definition '{policy}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	UndefinedSetParameter     = message(400, "UndefinedPolicyParameter", "The policy set definition '{set}' is attempting to assign the parameter(s) '{parameters}' which are not defined in the policy definition '{policy}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	MissingPolicyParameter    = message(400, "MissingPolicyParameter", "The policy assignment '{assignment}' is missing the parameter(s) '{parameters}' as defined in the policy definition '{policy}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	MissingSetParameter       = message(400, "MissingPolicyParameter", "The policy set definition '{set}' is missing the parameter(s) '{parameters}' as defined in the policy definition '{policy}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicyParameterNotAllowed = message(400, "PolicyParameterValueNotAllowed", "The value '{value}' is not allowed for policy parameter '{parameter}' in policy definition '{policy}'. The allowed values are '{allowed}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	InvalidParameterType      = message(400, "InvalidPolicyParameterType", "The value of policy parameter '{parameter}' in policy definition '{policy}' is of type '{type}', expected type is '{expected}'.", "Microsoft Learn: Azure Policy definition structure; the wording is ours")
	InvalidSetParameters      = message(400, "InvalidPolicyParameters", "The policy set '{set}' could not be parameterized because the default value of a policy set parameter referenced by policy definition {policy} was not valid for that policy definition. Please verify that the default values of all policy set parameters are valid in the context of the policy definitions referencing them. The inner exception '{cause}'.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
)

// Assignments and references between them.
var (
	PolicyDefinitionNotFound = message(404, "PolicyDefinitionNotFound", "The policy definition '{policy}' could not be found.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicySetNotFound        = message(404, "PolicySetDefinitionNotFound", "The policy set definition '{set}' could not be found.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicyAssignmentNotFound = message(404, "PolicyAssignmentNotFound", "The policy assignment '{assignment}' is not found.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicyExemptionNotFound  = message(404, "PolicyExemptionNotFound", "The policy exemption '{exemption}' is not found.", "after PolicyAssignmentNotFound")
	AssignedPolicyNotFound   = message(404, "PolicyDefinitionNotFound", "The policy assignment create request is invalid. The policy definition '{policy}' could not be found.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	InvalidPolicyAssignment  = message(400, "InvalidCreatePolicyAssignmentRequest", "The policy assignment request is invalid. {cause}.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	InvalidPolicyDefinition  = message(400, "InvalidCreatePolicyDefinitionRequest", "The policy definition create request is invalid. {cause}.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm; the causes are ours")
	InvalidPolicySet         = message(400, "InvalidCreatePolicySetDefinitionRequest", "The policy set definition create request is invalid. {cause}.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm; the causes are ours")
	InvalidPolicyExemption   = message(400, "InvalidCreatePolicyExemptionRequest", "The policy exemption create request is invalid. {cause}.", "Microsoft Learn: Azure Policy definition structure; the causes are ours")
	PolicyParameterRemoved   = message(400, "InvalidPolicyParameterUpdate", "The existing policy parameter(s) '{parameters}' were not found in the policy being updated. The parameter names can not be changed.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicyParameterAdded     = message(400, "InvalidPolicyParameterUpdate", "The new policy parameter(s) '{parameters}' in the policy being updated must have a default value, as the policy is assigned.", "Microsoft Learn: Azure Policy definition structure; the wording is ours")
	PolicyInUse              = message(400, "InvalidDeletePolicyDefinitionRequest", "The policy definition '{policy}' cannot be deleted. It is referenced by the policy assignment '{by}'. Please delete all policy assignments referencing the policy.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicyInSet              = message(400, "InvalidDeletePolicyDefinitionRequest", "The policy definition '{policy}' cannot be deleted. It is referenced by the policy set definition '{by}'. Please delete all policy set definitions referencing the policy.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
	PolicySetInUse           = message(400, "InvalidDeletePolicySetDefinitionRequest", "The policy set definition '{set}' cannot be deleted. It is referenced by the policy assignment '{by}'. Please delete all policy assignments referencing the policy.", "recorded in issues of Azure/azure-policy, Azure/azure-cli, Azure/Azure-Landing-Zones and hashicorp/terraform-provider-azurerm")
)
