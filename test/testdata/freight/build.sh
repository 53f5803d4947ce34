#!/bin/bash
# The freight network: a hub and a spoke in two subscriptions, three clusters, two registries. What does not depend on
# each other is made at the same time.
set -euo pipefail

# together runs the commands in its arguments at once and fails if one of them does.
together() {
  local pids=() pid
  for command; do $command & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

hub() { az "$@" --subscription Hub -g rg-hub --only-show-errors -o none; }
freight() { az "$@" --subscription Platform -g rg-freight --only-show-errors -o none; }
give() { # role, object id, scope
  az role assignment create --role "$1" --assignee-object-id "$2" --assignee-principal-type ServicePrincipal --scope "$3" --only-show-errors -o none
}

hub_id=/subscriptions/$(az account show --subscription Hub --query id -o tsv)/resourceGroups/rg-hub
freight_id=/subscriptions/$(az account show --subscription Platform --query id -o tsv)/resourceGroups/rg-freight
network=providers/Microsoft.Network
hub_vnet=$hub_id/$network/virtualNetworks/vnet-hub
spoke=$freight_id/$network/virtualNetworks/vnet-spoke
routes=$hub_id/$network/routeTables/rt-freight
zone=privatelink.westeurope.azmk8s.io
zone_id=$hub_id/$network/privateDnsZones/$zone
identities=$freight_id/providers/Microsoft.ManagedIdentity/userAssignedIdentities
registries=providers/Microsoft.ContainerRegistry/registries

group() { az group create --subscription "$1" -n "$2" -l westeurope --only-show-errors -o none; }
together "group Hub rg-hub" "group Platform rg-freight"

together \
  "hub network vnet create -n vnet-hub --address-prefixes 10.0.0.0/16 --subnet-name AzureFirewallSubnet --subnet-prefixes 10.0.0.0/26" \
  "freight network vnet create -n vnet-spoke --address-prefixes 10.1.0.0/16" \
  "hub network route-table create -n rt-freight" \
  "hub network private-dns zone create -n $zone" \
  "hub acr create -n freightbase --sku Basic" \
  "freight acr create -n freightapps --sku Basic" \
  "freight identity create -n id-prod" "freight identity create -n id-prod-nodes" "freight identity create -n id-test"

subnets() { # they are parts of one network: one after the other
  freight network vnet subnet create --vnet-name vnet-spoke -n snet-prod --address-prefixes 10.1.0.0/22 --route-table "$routes"
  freight network vnet subnet create --vnet-name vnet-spoke -n snet-test --address-prefixes 10.1.4.0/22 --route-table "$routes"
}
together subnets \
  "hub network route-table route create --route-table-name rt-freight -n out --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance --next-hop-ip-address 10.0.0.4" \
  "hub network vnet peering create -n to-spoke --vnet-name vnet-hub --remote-vnet $spoke --allow-vnet-access" \
  "hub network private-dns link vnet create -z $zone -n hub -v $hub_vnet -e false"  # AKS links the spoke
freight network vnet peering create -n to-hub --vnet-name vnet-spoke --remote-vnet "$hub_vnet" --allow-vnet-access

declare -A principal
while read -r name id; do principal[$name]=$id; done < <(
  az identity list --subscription Platform -g rg-freight --query "[].[name,principalId]" -o tsv)

images() { # of one kubelet
  give AcrPull "$1" "$freight_id/$registries/freightapps"
  give AcrPull "$1" "$hub_id/$registries/freightbase"
}
prod() { # a private cluster with identities of its own
  give "Network Contributor" "${principal[id-prod]}" "$spoke"
  give "Private DNS Zone Contributor" "${principal[id-prod]}" "$zone_id"
  give "Managed Identity Operator" "${principal[id-prod]}" "$identities/id-prod-nodes"
}
routed() { # kubenet writes the routes of the nodes into the hub's table
  give "Network Contributor" "${principal[id-test]}" "$spoke/subnets/snet-test"
  give "Network Contributor" "${principal[id-test]}" "$routes"
}
together prod routed "images ${principal[id-prod-nodes]}"

cluster() { freight aks create --no-ssh-key --yes --node-count 2 "$@"; }
together \
  "cluster -n freight-prod --network-plugin azure --vnet-subnet-id $spoke/subnets/snet-prod --outbound-type userDefinedRouting --assign-identity $identities/id-prod --assign-kubelet-identity $identities/id-prod-nodes --enable-private-cluster --private-dns-zone $zone_id --fqdn-subdomain freight" \
  "cluster -n freight-test --network-plugin kubenet --vnet-subnet-id $spoke/subnets/snet-test --assign-identity $identities/id-test" \
  "cluster -n freight-dev"

while read -r id; do kubelets+=("images $id"); done < <(
  az aks list --subscription Platform -g rg-freight --query "[?name!='freight-prod'].identityProfile.kubeletidentity.objectId" -o tsv)
together "${kubelets[@]}"
