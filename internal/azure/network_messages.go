package azure

// The network resource provider on addresses, rules and peerings.
var (
	AddressOutsideSubnet = message(400, "PrivateIPAddressNotInSubnet",
		"Private static IP address {address} does not belong to the range of subnet prefix {prefix}.", "recorded")
	AddressReserved = message(400, "PrivateIPAddressInReservedRange",
		"Private static IP address {address} falls within reserved IP range of subnet prefix {prefix}.", "recorded")
	AddressAllocated = message(400, "PrivateIPAddressIsAllocated",
		"IP configuration {id} is using the private IP address {address} which is already allocated to resource {user}.", "recorded")
	PrefixInUse = message(400, "InUsePrefixCannotBeDeleted",
		"IpPrefix {prefix} on Subnet {subnet} has active allocations and cannot be deleted.", "recorded")
	NetworksOverlap = message(400, "VnetAddressSpacesOverlap",
		"Cannot create or update peering {id}. Virtual networks {network} and {remote} cannot be peered because their address spaces overlap. Overlapping address prefixes: {prefixes}", "recorded")
	PeeringExists = message(400, "AnotherPeeringAlreadyReferencesRemoteVnet",
		"Peering {id} cannot be created because another peering {other} already references remote virtual network {remote}.", "the code: recorded")
	InvalidPriority = message(400, "SecurityRuleInvalidPriority",
		"Security rule has invalid Priority. Value provided: {value} Allowed range 100-4096.", "recorded")
	RulesConflict = message(400, "SecurityRuleConflict",
		"Security rule {rule} conflicts with rule {other}. Rules cannot have the same Priority and Direction.", "recorded")
	InvalidRulePrefix = message(400, "SecurityRuleInvalidAddressPrefix",
		"Security rule has invalid Address prefix. Value provided: {value}", "recorded")
	InvalidRulePort = message(400, "SecurityRuleInvalidPortRange",
		"Security rule has invalid Port range. Value provided: {value}. Value should be an integer OR integer range with '-' delimiter. Valid range 0-65535.", "recorded")
	InvalidNetworkValue = message(400, "InvalidRequestFormat",
		"Cannot parse the request. Value '{value}' of {path} in resource {id} is not valid.", "network resource provider")
	MissingNetworkValue = message(400, "InvalidRequestFormat",
		"Cannot parse the request. Required member {path} is missing in resource {id}.", "network resource provider")
	MissingNextHop = message(400, "RouteNextHopIpAddressIsRequired",
		"Route {id} has next hop type VirtualAppliance and needs a next hop IP address.", "network resource provider")
	StaticAddressRequired = message(400, "StandardSkuPublicIPAddressesMustBeStatic",
		"Standard sku publicIp {id} must have AllocationMethod set to Static.", "recorded")
	SKUChangeNotAllowed = message(400, "SkuPropertyCannotBeChanged",
		"Sku property is set at creation time and cannot be changed from {old} to {sku} on resource update for resource {id}.", "recorded")
	DNSLabelInUse = message(400, "DnsRecordInUse",
		"DNS record {name} is already used by another public IP.", "recorded")
	PrefixExhausted = message(400, "PublicIpPrefixOutOfIpAddresses",
		"Public IP prefix {id} has no free IP address.", "network resource provider")
	PublicIPAllocated = message(400, "PublicIPAddressInUse",
		"Resource {id} is referencing public IP address {ip} that is already allocated to resource {user}.", "recorded")
	DifferentSKU = message(400, "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
		"Different basic sku and standard sku load balancer or public Ip resources are not allowed: {id} references {ip}.", "the code: Microsoft Learn, load balancer error codes")
	BackendPortConflict = message(400, "RulesUseSameBackendPortProtocolAndPool",
		"Load balancing rules {rule} and {other} with floating IP disabled use the same protocol {protocol} and backend port {port}, and must not be used with the same backend address pool {pool}.", "recorded")
	FrontendPortConflict = message(400, "RulesUseSameFrontendPortProtocolAndIPConfig",
		"Load balancing rules {rule} and {other} use the same protocol {protocol} and frontend port {port}, and must not be used with the same frontend IP configuration {frontend}.", "network resource provider")
	SubnetsOfDifferentNetworks = message(400, "SubnetsNotInSameVnet",
		"Subnet {subnet} is not in the same Virtual Network {network} as the subnets of other IP configurations of {id}.", "the code: Microsoft Learn, deployment error codes")
	LinkServicePolicies = message(400, "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
		"Private link service {id} cannot be created in a subnet {subnet} since it has private link service network policies enabled.", "recorded")
	GatewaySubnetShared = message(400, "ApplicationGatewaySubnetCannotBeUsedByOtherResources",
		"Subnet {subnet} cannot be used for application gateway {id} since subnet is not empty: it is used by {user}.", "the code: recorded")
	NotApprovable = message(400, "PrivateEndpointConnectionCannotBeChanged",
		"Private endpoint connection {id} cannot change from {old} to {state}.", "network resource provider")
)

// The network resource provider on what is in use.
var (
	InUseNIC = message(400, "NicInUse",
		"Network Interface {id} is used by existing resource {user}. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.", "recorded")
	InUseNICOfEndpoint = message(400, "NicInUseWithPrivateEndpoint",
		"Network interface {id} cannot be deleted because it is currently in use with an private endpoint (PE).", "recorded")
	InUseLoadBalancerByScaleSet = message(400, "LoadBalancerInUseByVirtualMachineScaleSet",
		"Cannot delete load balancer {parent} since its child resources {name} are in use by virtual machine scale set {user}.", "recorded")
	InUseLoadBalancerByLinkService = message(400, "CannotDeleteLoadBalancerWithPrivateLinkService",
		"Cannot delete load balancer {parent} since it is referenced by private link service {user}. Please delete private link service prior to deleting load balancer.", "recorded")
	InUseNSGByScaleSet = message(400, "NetworkSecurityGroupInUseByVirtualMachineScaleSet",
		"Cannot delete network security group {id} since it is in use by virtual machine scale set {user}.", "recorded")
	InUseDDoSPlan = message(400, "InUseDdosProtectionPlanCannotBeDeleted",
		"DDoS Protection Plan {id} cannot be deleted because it is in use with virtual networks {user}.", "recorded")
	InUseASG = message(400, "InUseApplicationSecurityGroupCannotBeDeleted",
		"Application security group {id} cannot be deleted because it is in use by {user}.", "network resource provider")
	InUseEndpointPolicy = message(400, "InUseServiceEndpointPolicyCannotBeDeleted",
		"Service endpoint policy {id} cannot be deleted because it is in use by {user}.", "network resource provider")
	InUseLinkService = message(400, "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted",
		"Private link service {id} cannot be deleted since it has 1 private endpoint connection. Please delete all private endpoint connections before deleting the private link service.", "recorded")
)

// DNS zones, private and public.
var (
	OverlappingZones = message(400, "BadRequest",
		"A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with '{zone}' and '{other}' zones.", "recorded")
	SecondRegistration = message(400, "BadRequest",
		"A virtual network can only be linked to 1 Private DNS zone(s) with auto-registration enabled; conflicting Private DNS zone is '{other}'.", "private DNS")
	InvalidZoneName = message(400, "BadRequest",
		"The domain name '{name}' is invalid. The provided zone name is not a valid domain name.", "private DNS")
	InvalidRecordName = message(400, "BadRequest",
		"The resource record '{name}' of type {kind} is invalid: {reason}.", "DNS")
	RecordNameTaken = message(400, "BadRequest",
		"The record could not be created because a CNAME record with the same name already exists in this zone.", "recorded, DNS")
	RecordFixed = message(400, "BadRequest",
		"Record sets of type {kind} with name '@' cannot be deleted.", "recorded, DNS")
)
