package arm

import "strings"

// Regions are the locations of the local Azure: name, display name.
var Regions = [][2]string{
	{"westeurope", "West Europe"}, {"northeurope", "North Europe"}, {"eastus", "East US"}, {"eastus2", "East US 2"},
	{"centralus", "Central US"}, {"southcentralus", "South Central US"}, {"northcentralus", "North Central US"},
	{"westcentralus", "West Central US"}, {"westus", "West US"}, {"westus2", "West US 2"}, {"westus3", "West US 3"},
	{"uksouth", "UK South"}, {"ukwest", "UK West"}, {"francecentral", "France Central"}, {"germanywestcentral", "Germany West Central"},
	{"switzerlandnorth", "Switzerland North"}, {"norwayeast", "Norway East"}, {"swedencentral", "Sweden Central"},
	{"italynorth", "Italy North"}, {"polandcentral", "Poland Central"}, {"spaincentral", "Spain Central"},
	{"australiaeast", "Australia East"}, {"australiasoutheast", "Australia Southeast"}, {"australiacentral", "Australia Central"},
	{"southeastasia", "Southeast Asia"}, {"eastasia", "East Asia"}, {"japaneast", "Japan East"}, {"japanwest", "Japan West"},
	{"koreacentral", "Korea Central"}, {"centralindia", "Central India"}, {"southindia", "South India"},
	{"canadacentral", "Canada Central"}, {"canadaeast", "Canada East"}, {"brazilsouth", "Brazil South"},
	{"southafricanorth", "South Africa North"}, {"uaenorth", "UAE North"}, {"qatarcentral", "Qatar Central"}, {"israelcentral", "Israel Central"},
	{"mexicocentral", "Mexico Central"}, {"newzealandnorth", "New Zealand North"},
}

// canaries are the regions where Azure tries itself out. Few subscriptions see them in a list, and whoever may use them
// names them as any other.
var canaries = []string{"centraluseuap", "eastus2euap"}

// Locations are the regions' names.
var Locations = func() []string {
	names := make([]string, len(Regions))
	for i, r := range Regions {
		names[i] = r[0]
	}
	return names
}()

// NormalLocation is a region's name, as clients also write "West Europe".
func NormalLocation(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, " ", ""))
}

// Locations are where a resource of the type may be.
func (t *Type) Locations() []string {
	switch {
	case t.Global:
		return []string{global}
	case t.OrGlobal:
		return append([]string{global}, Locations...)
	}
	return Locations
}

// global is the location of what is in no region.
const global = "global"
