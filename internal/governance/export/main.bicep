// The approved identity pattern of AKS clusters: definitions, the initiative and its assignment to a subscription.
targetScope = 'subscription'

@description('Audit marks what is not so, Deny refuses to write it, Disabled does nothing.')
@allowed([
  'Audit'
  'Deny'
  'Disabled'
])
param effect string = 'Audit'

@description('Resource groups that identities of clusters may be in; none: every one.')
param allowedResourceGroups array = []

var definitions = [
  // definitions
]
var initiative = loadJsonContent('initiative/azurepolicyset.json')

resource definition 'Microsoft.Authorization/policyDefinitions@2023-04-01' = [for d in definitions: {
  name: d.name
  properties: d.properties
}]

resource set 'Microsoft.Authorization/policySetDefinitions@2023-04-01' = {
  name: initiative.name
  properties: {
    displayName: initiative.properties.displayName
    description: initiative.properties.description
    policyType: 'Custom'
    metadata: initiative.properties.metadata
    parameters: initiative.properties.parameters
    policyDefinitions: [for d in initiative.properties.policyDefinitions: {
      policyDefinitionId: replace(d.policyDefinitionId, '{scope}', subscription().id)
      policyDefinitionReferenceId: d.policyDefinitionReferenceId
      parameters: d.parameters
    }]
  }
  dependsOn: [
    definition
  ]
}

resource assignment 'Microsoft.Authorization/policyAssignments@2023-04-01' = {
  name: initiative.name
  properties: {
    displayName: initiative.properties.displayName
    policyDefinitionId: set.id
    parameters: {
      effect: {
        value: effect
      }
      allowedResourceGroups: {
        value: allowedResourceGroups
      }
    }
  }
}
