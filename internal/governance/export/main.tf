# The approved identity pattern of AKS clusters: definitions, the initiative and its assignment to the provider's subscription.

terraform {
  required_version = ">= 1.3"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "effect" {
  type        = string
  default     = "Audit"
  description = "Audit marks what is not so, Deny refuses to write it, Disabled does nothing."

  validation {
    condition     = contains(["Audit", "Deny", "Disabled"], var.effect)
    error_message = "The effect is Audit, Deny or Disabled."
  }
}

variable "allowed_resource_groups" {
  type        = list(string)
  default     = []
  description = "Resource groups that identities of clusters may be in; none: every one."
}

data "azurerm_subscription" "current" {}

locals {
  definitions = { for f in fileset("${path.module}/definitions", "*/azurepolicy.json") : dirname(f) => jsondecode(file("${path.module}/definitions/${f}")) }
  initiative  = jsondecode(file("${path.module}/initiative/azurepolicyset.json"))
}

resource "azurerm_policy_definition" "pattern" {
  for_each     = local.definitions
  name         = each.value.name
  policy_type  = "Custom"
  mode         = each.value.properties.mode
  display_name = each.value.properties.displayName
  description  = each.value.properties.description
  metadata     = jsonencode(each.value.properties.metadata)
  parameters   = jsonencode(each.value.properties.parameters)
  policy_rule  = jsonencode(each.value.properties.policyRule)
}

resource "azurerm_policy_set_definition" "pattern" {
  name         = local.initiative.name
  policy_type  = "Custom"
  display_name = local.initiative.properties.displayName
  description  = local.initiative.properties.description
  metadata     = jsonencode(local.initiative.properties.metadata)
  parameters   = jsonencode(local.initiative.properties.parameters)

  dynamic "policy_definition_reference" {
    for_each = local.initiative.properties.policyDefinitions

    content {
      policy_definition_id = replace(policy_definition_reference.value.policyDefinitionId, "{scope}", data.azurerm_subscription.current.id)
      reference_id         = policy_definition_reference.value.policyDefinitionReferenceId
      parameter_values     = jsonencode(policy_definition_reference.value.parameters)
    }
  }

  depends_on = [azurerm_policy_definition.pattern]
}

resource "azurerm_subscription_policy_assignment" "pattern" {
  name                 = local.initiative.name
  display_name         = local.initiative.properties.displayName
  subscription_id      = data.azurerm_subscription.current.id
  policy_definition_id = azurerm_policy_set_definition.pattern.id

  parameters = jsonencode({
    effect                = { value = var.effect }
    allowedResourceGroups = { value = var.allowed_resource_groups }
  })
}
