#!/bin/sh
# Writes the definitions and the initiative and assigns it: deploy.sh SUBSCRIPTION_ID [Audit|Deny|Disabled] [RESOURCE_GROUP...]
# The resource groups are those that identities of clusters may be in. With MANAGEMENT_GROUP set, everything is there instead.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 SUBSCRIPTION_ID [Audit|Deny|Disabled] [RESOURCE_GROUP...]" >&2; exit 2; }
subscription=$1
effect=${2:-Audit}
[ $# -lt 2 ] || shift
shift
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ -n "${MANAGEMENT_GROUP:-}" ]; then
  scope=/providers/Microsoft.Management/managementGroups/$MANAGEMENT_GROUP
  set -- --management-group "$MANAGEMENT_GROUP" -- "$@"
else
  scope=/subscriptions/$subscription
  set -- --subscription "$subscription" -- "$@"
fi
at=$1 place=$2
shift 3

groups=
for group in "$@"; do
  groups="$groups${groups:+, }\"$group\""
done

define() { # name, mode, display name
  echo "definition $1"
  az policy definition create --name "$1" --mode "$2" --display-name "$3" --metadata category=Kubernetes version=1.0.0 \
    --rules "$here/definitions/$1/azurepolicy.rules.json" --params "$here/definitions/$1/azurepolicy.parameters.json" \
    "$at" "$place" --output none
}

# definitions

echo "initiative aksid-identity-pattern"
az policy set-definition create --name aksid-identity-pattern --display-name 'Approved identity pattern of AKS clusters' \
  --metadata category=Kubernetes version=1.0.0 --params "$here/initiative/azurepolicyset.parameters.json" \
  --definitions "$(sed "s|{scope}|$scope|" "$here/initiative/azurepolicyset.definitions.json")" "$at" "$place" --output none

echo "assignment at $scope, $effect"
parameters="\"effect\": {\"value\": \"$effect\"}"
[ -z "$groups" ] || parameters="$parameters, \"allowedResourceGroups\": {\"value\": [$groups]}"
az policy assignment create --name aksid-identity-pattern --display-name 'Approved identity pattern of AKS clusters' --scope "$scope" \
  --policy-set-definition "$scope/providers/Microsoft.Authorization/policySetDefinitions/aksid-identity-pattern" \
  --params "{$parameters}" --output none
