package estate

// Resource types of networks.
const (
	TypeNetwork    = "Microsoft.Network/virtualNetworks"
	TypeSubnet     = "Microsoft.Network/virtualNetworks/subnets"
	TypeRouteTable = "Microsoft.Network/routeTables"
)
