package estate

// Resource types of networks.
const (
	TypeSubnet     = "Microsoft.Network/virtualNetworks/subnets"
	TypeRouteTable = "Microsoft.Network/routeTables"
)
