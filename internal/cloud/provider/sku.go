package provider

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// size is a virtual machine's size (Microsoft Learn: sizes for virtual machines in Azure).
type size struct {
	name         string
	cores, mib   int
	disks        int // data disks at most
	resourceDisk int // MiB
}

var sizes = []size{
	{"Standard_B1s", 1, 1024, 2, 4096}, {"Standard_B1ms", 1, 2048, 2, 4096}, {"Standard_B2s", 2, 4096, 4, 8192}, {"Standard_B2ms", 2, 8192, 4, 16384}, {"Standard_B4ms", 4, 16384, 8, 32768}, {"Standard_B8ms", 8, 32768, 16, 65536},
	{"Standard_B2s_v2", 2, 8192, 4, 0}, {"Standard_B4s_v2", 4, 16384, 8, 0},
	{"Standard_A2_v2", 2, 4096, 4, 20480}, {"Standard_A4_v2", 4, 8192, 8, 40960},
	{"Standard_DS1_v2", 1, 3584, 4, 7168}, {"Standard_DS2_v2", 2, 7168, 8, 14336}, {"Standard_DS3_v2", 4, 14336, 16, 28672}, {"Standard_DS4_v2", 8, 28672, 32, 57344}, {"Standard_DS5_v2", 16, 57344, 64, 114688},
	{"Standard_D2_v2", 2, 7168, 8, 102400}, {"Standard_D3_v2", 4, 14336, 16, 204800}, {"Standard_D2_v3", 2, 8192, 4, 51200}, {"Standard_D4_v3", 4, 16384, 8, 102400},
	{"Standard_D2s_v3", 2, 8192, 4, 16384}, {"Standard_D4s_v3", 4, 16384, 8, 32768}, {"Standard_D8s_v3", 8, 32768, 16, 65536}, {"Standard_D16s_v3", 16, 65536, 32, 131072},
	{"Standard_D2s_v4", 2, 8192, 4, 0}, {"Standard_D4s_v4", 4, 16384, 8, 0}, {"Standard_D8s_v4", 8, 32768, 16, 0},
	{"Standard_D2ds_v4", 2, 8192, 4, 76800}, {"Standard_D4ds_v4", 4, 16384, 8, 153600}, {"Standard_D8ds_v4", 8, 32768, 16, 307200},
	{"Standard_D2s_v5", 2, 8192, 4, 0}, {"Standard_D4s_v5", 4, 16384, 8, 0}, {"Standard_D8s_v5", 8, 32768, 16, 0}, {"Standard_D16s_v5", 16, 65536, 32, 0}, {"Standard_D32s_v5", 32, 131072, 32, 0},
	{"Standard_D2as_v5", 2, 8192, 4, 0}, {"Standard_D4as_v5", 4, 16384, 8, 0}, {"Standard_D8as_v5", 8, 32768, 16, 0}, {"Standard_D16as_v5", 16, 65536, 32, 0},
	{"Standard_D2ds_v5", 2, 8192, 4, 76800}, {"Standard_D4ds_v5", 4, 16384, 8, 153600}, {"Standard_D8ds_v5", 8, 32768, 16, 307200}, {"Standard_D16ds_v5", 16, 65536, 32, 614400},
	{"Standard_D2ads_v5", 2, 8192, 4, 76800}, {"Standard_D4ads_v5", 4, 16384, 8, 153600}, {"Standard_D8ads_v5", 8, 32768, 16, 307200},
	{"Standard_D2pds_v5", 2, 8192, 4, 76800}, {"Standard_D4pds_v5", 4, 16384, 8, 153600},
	{"Standard_E2s_v3", 2, 16384, 4, 32768}, {"Standard_E4s_v3", 4, 32768, 8, 65536}, {"Standard_E2s_v5", 2, 16384, 4, 0}, {"Standard_E4s_v5", 4, 32768, 8, 0}, {"Standard_E8s_v5", 8, 65536, 16, 0},
	{"Standard_E2ds_v5", 2, 16384, 4, 76800}, {"Standard_E4ds_v5", 4, 32768, 8, 153600}, {"Standard_E8ds_v5", 8, 65536, 16, 307200},
	{"Standard_F2s_v2", 2, 4096, 4, 16384}, {"Standard_F4s_v2", 4, 8192, 8, 32768}, {"Standard_F8s_v2", 8, 16384, 16, 65536}, {"Standard_F16s_v2", 16, 32768, 32, 131072},
	{"Standard_L8s_v3", 8, 65536, 16, 81920}, {"Standard_NC6s_v3", 6, 114688, 12, 344064}, {"Standard_NC4as_T4_v3", 4, 28672, 8, 176128},
}

// machineSize finds a size; the zero size for one that is not in the table, which are taken as they are.
func machineSize(name string) size {
	for _, s := range sizes {
		if strings.EqualFold(s.name, name) {
			return s
		}
	}
	return size{}
}

// sizeName is the form of all sizes' names; Azure has hundreds, and more every year.
func sizeName(s string) bool {
	return strings.HasPrefix(lower(s), "standard_") || strings.HasPrefix(lower(s), "basic_")
}

// checkSize refuses what is no size's name.
func checkSize(c *arm.Call, path string) *azure.Error {
	name := arm.Str(c.Doc, path)
	if name == "" || sizeName(name) {
		return nil
	}
	var all []string
	for _, s := range sizes {
		all = append(all, s.name)
	}
	err := azure.SizeNotAvailable.Format(azure.Fields{"size": name, "sizes": strings.Join(all, ",")})
	err.Target = "vmSize"
	return err
}

// skus are the reads that say what a region has.
func skus() []arm.Type {
	return []arm.Type{
		{Name: computeRP + "/skus", Place: arm.InSubscription, ReadOnly: true, List: listSKUs},
		{Name: computeRP + "/locations/vmSizes", Place: arm.InSubscription, ReadOnly: true, List: listSizes},
		{Name: computeRP + "/locations/DiskOperations", Place: arm.InSubscription, ReadOnly: true, Get: arm.Poll},
		{Name: computeRP + "/locations/usages", Place: arm.InSubscription, ReadOnly: true, List: listUsages},
		{Name: typeAvailability + "/vmSizes", ReadOnly: true, List: listSizes},
	}
}

// osDiskMiB is the largest disk of a system that a size takes.
const osDiskMiB = 1047552

func listSizes(*arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, s := range sizes {
			if !yield(arm.Doc{"name": s.name, "numberOfCores": s.cores, "memoryInMB": s.mib, "maxDataDiskCount": s.disks, "osDiskSizeInMB": osDiskMiB, "resourceDiskSizeInMB": s.resourceDisk}, nil) {
				return
			}
		}
	}
}

// listSKUs says what a region has; $filter names it, as in location eq 'westeurope'.
func listSKUs(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		terms, err := c.Filter()
		if err != nil {
			yield(nil, err)
			return
		}
		locations := arm.Locations
		for _, t := range terms {
			if !strings.EqualFold(t.Field, "location") || t.Op != "eq" {
				yield(nil, c.BadFilter())
				return
			}
			locations = []string{arm.NormalLocation(t.Value)}
		}
		for _, l := range locations {
			for _, s := range sizes {
				if !yield(s.sku(l), nil) {
					return
				}
			}
			for _, name := range []string{"Standard_LRS", "StandardSSD_LRS", "Premium_LRS", "UltraSSD_LRS", "PremiumV2_LRS"} {
				tier, _, _ := strings.Cut(name, "_")
				if !yield(sku("disks", name, tier, "", l, map[string]string{"MaxSizeGiB": "32767"}), nil) {
					return
				}
			}
		}
	}
}

func (s size) sku(location string) arm.Doc {
	short := strings.TrimPrefix(s.name, "Standard_")
	return sku("virtualMachines", s.name, "Standard", short, location, map[string]string{
		"vCPUs": strconv.Itoa(s.cores), "vCPUsAvailable": strconv.Itoa(s.cores), "MemoryGB": fmt.Sprint(float64(s.mib) / 1024), "MaxDataDiskCount": strconv.Itoa(s.disks),
		"MaxResourceVolumeMB": strconv.Itoa(s.resourceDisk), "PremiumIO": "True", "AcceleratedNetworkingEnabled": "True", "EphemeralOSDiskSupported": "True",
		"HyperVGenerations": "V1,V2", "CpuArchitectureType": architecture(short), "OSVhdSizeMB": strconv.Itoa(osDiskMiB)})
}

// architecture is told by a p among the letters of the size, as in D2pds_v5.
func architecture(size string) string {
	letters, _, _ := strings.Cut(size, "_")
	if strings.Contains(strings.ToLower(letters[1:]), "p") {
		return "Arm64"
	}
	return "x64"
}

func sku(kind, name, tier, size, location string, capabilities map[string]string) arm.Doc {
	var list []any
	for _, k := range slices.Sorted(maps.Keys(capabilities)) {
		list = append(list, arm.Doc{"name": k, "value": capabilities[k]})
	}
	zones := []any{"1", "2", "3"}
	return arm.Doc{"resourceType": kind, "name": name, "tier": tier, "size": size, "family": "standard" + size + "Family", "locations": []any{location},
		"locationInfo": []any{arm.Doc{"location": location, "zones": zones, "zoneDetails": []any{}}}, "capabilities": list, "restrictions": []any{}}
}

// setSKUs says what sizes a scale set can have.
func setSKUs(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, s := range sizes {
			if !yield(arm.Doc{"resourceType": typeScaleSet, "sku": arm.Doc{"name": s.name, "tier": "Standard"},
				"capacity": arm.Doc{"minimum": 0, "maximum": maxInstances, "defaultCapacity": 1, "scaleType": "Automatic"}}, nil) {
				return
			}
		}
	}
}

// listUsages counts what a subscription has in a region.
func listUsages(c *arm.Call) iter.Seq2[arm.Doc, error] {
	location := c.ID.Name()
	cores := 0
	count := func(typ string, each func(arm.Doc)) int {
		n := 0
		for d, err := range c.Resources(azure.SubscriptionID(c.ID.Subscription()), typ) {
			if err == nil && arm.Str(d, "location") == arm.NormalLocation(location) {
				n++
				each(d)
			}
		}
		return n
	}
	vms := count(typeVM, func(d arm.Doc) { cores += machineSize(arm.Str(d, "properties.hardwareProfile.vmSize")).cores })
	instances := 0
	sets := count(typeScaleSet, func(d arm.Doc) {
		instances += arm.Int(d, "sku.capacity")
		cores += arm.Int(d, "sku.capacity") * machineSize(arm.Str(d, "sku.name")).cores
	})
	none := func(arm.Doc) {}
	return func(yield func(arm.Doc, error) bool) {
		for _, u := range []struct {
			name, shown string
			now, limit  int
		}{
			{"availabilitySets", "Availability Sets", count(typeAvailability, none), 2500}, {"cores", "Total Regional vCPUs", cores, 10000},
			{"virtualMachines", "Virtual Machines", vms + instances, 25000}, {"virtualMachineScaleSets", "Virtual Machine Scale Sets", sets, 2500},
			{"PremiumDiskCount", "Premium Storage Managed Disks", count(typeDisk, none), 50000},
		} {
			if !yield(arm.Doc{"name": arm.Doc{"value": u.name, "localizedValue": u.shown}, "currentValue": u.now, "limit": u.limit, "unit": "Count"}, nil) {
				return
			}
		}
	}
}
