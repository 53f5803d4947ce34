package provider

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const (
	computeRP        = "Microsoft.Compute"
	typeScaleSet     = computeRP + "/virtualMachineScaleSets"
	typeInstance     = directory.TypeScaleSetInstance
	typeInstanceNIC  = typeInstance + "/networkInterfaces"
	typeInstanceIP   = typeInstanceNIC + "/ipConfigurations/publicIPAddresses"
	typeVM           = computeRP + "/virtualMachines"
	typeDisk         = computeRP + "/disks"
	typeSnapshot     = computeRP + "/snapshots"
	typeDES          = computeRP + "/diskEncryptionSets"
	typeAvailability = computeRP + "/availabilitySets"
	typeProximity    = computeRP + "/proximityPlacementGroups"
	typeReservations = computeRP + "/capacityReservationGroups"
	typeReservation  = typeReservations + "/capacityReservations"
	typeHostGroup    = computeRP + "/hostGroups"
	typeHost         = typeHostGroup + "/hosts"
)

// What writing a reference to a compute resource needs there (azure-facts 2.3, 3.8).
const (
	readDES       azure.Action = typeDES + "/read"
	writeDisk     azure.Action = typeDisk + "/write"
	accessDisk    azure.Action = typeDisk + "/beginGetAccess/action" // of snapshots too
	deployReserve azure.Action = typeReservations + "/deploy/action"
	readHostGroup azure.Action = typeHostGroup + "/read"
)

var computeVersions = []string{"2025-04-01", "2024-11-01", "2024-07-01", "2024-03-01", "2023-09-01", "2023-07-01", "2023-03-01", "2022-11-01", "2022-08-01", "2022-03-01", "2021-11-01", "2021-07-01", "2021-03-01",
	"2020-12-01", "2020-06-01", "2019-12-01", "2019-07-01", "2019-03-01", "2018-10-01", "2018-06-01", "2017-12-01", "2017-03-30"}

var diskVersions = []string{"2025-01-02", "2024-03-02", "2023-10-02", "2023-04-02", "2023-01-02", "2022-07-02", "2022-03-02", "2021-12-01", "2021-08-01", "2021-04-01", "2020-12-01", "2020-09-30", "2020-05-01", "2019-11-01", "2019-07-01", "2018-09-30", "2018-06-01"}

// worked are the types that compute works on after the answer; the others are there, or gone, with it.
var worked = []string{typeVM, typeVM + "/extensions", typeScaleSet, typeScaleSet + "/virtualMachines", typeHost, typeReservation}

func compute() arm.Provider {
	types := slices.Concat(scaleSets(), machines(), placement(), skus(), images())
	for i := range types {
		types[i].Since, types[i].Versions, types[i].NameRule = "2015-06-15", computeVersions, computeName
		if t := &types[i]; slices.Contains(worked, t.Name) {
			t.Receipts = arm.Receipts{Write: arm.Async | arm.Notifying, Delete: arm.Async | arm.Located | arm.Notifying}
			t.Codes.Delete = 202
		}
	}
	storage := disks()
	for i := range storage {
		storage[i].Since, storage[i].Versions, storage[i].NameRule = "2016-04-30-preview", diskVersions, computeName
	}
	return arm.Provider{Namespace: computeRP, Types: slices.Concat(types, storage)}
}

// placement are the resources that say where machines run.
func placement() []arm.Type {
	vms := []string{"virtualMachines"}
	return []arm.Type{
		{Name: typeAvailability, Tracked: true, Codes: arm.Codes{Create: 200}, InUse: azure.AvailabilitySetInUse, Check: checkAvailabilitySet,
			Links: []arm.Link{{Path: "properties.proximityPlacementGroup.id"}}, Back: []arm.Back{{Path: "properties.virtualMachines", From: vms}}},
		{Name: typeProximity, Tracked: true, InUse: azure.ComputeInUse, Check: checkProximity,
			Back: []arm.Back{{Path: "properties.virtualMachines", From: vms}, {Path: "properties.virtualMachineScaleSets", From: []string{"virtualMachineScaleSets"}},
				{Path: "properties.availabilitySets", From: []string{"availabilitySets"}}}},
		{Name: typeReservations, Tracked: true, InUse: azure.ComputeInUse, Nested: true, View: listBelow(typeReservation, "properties.capacityReservations"),
			Back: []arm.Back{{Path: "properties.virtualMachinesAssociated", From: vms}}},
		{Name: typeReservation, Tracked: true, Check: checkReservation},
		{Name: typeHostGroup, Tracked: true, InUse: azure.ComputeInUse, Nested: true, Check: checkHostGroup, View: listBelow(typeHost, "properties.hosts")},
		{Name: typeHost, Tracked: true, InUse: azure.ComputeInUse, Check: checkHost, Back: []arm.Back{{Path: "properties.virtualMachines", From: vms}}},
	}
}

// listBelow shows the ids of the resources below one.
func listBelow(typ, path string) func(*arm.Call, arm.Doc) {
	return func(c *arm.Call, d arm.Doc) {
		var ids []any
		for e, err := range c.Resources(azure.MustID(arm.Str(d, "id")), typ) {
			if err != nil {
				return
			}
			ids = append(ids, arm.Doc{"id": arm.Str(e, "id")})
		}
		if ids != nil {
			arm.Set(d, path, ids)
		}
	}
}

var computeName = regexp.MustCompile(`^\w([\w.-]{0,78}\w)?$`)

// checkNames refuses parts of a document whose names cannot stand in an id, or stand there twice.
func checkNames(c *arm.Call, parts []arm.Doc) *azure.Error {
	seen := map[string]bool{}
	for _, p := range parts {
		name := arm.Str(p, "name")
		if !computeName.MatchString(name) {
			return azure.InvalidName.Format(azure.Fields{"name": name})
		}
		if seen[lower(name)] {
			return azure.DuplicateResourceName.Format(azure.Fields{"id": c.ID.String(), "name": name})
		}
		seen[lower(name)] = true
	}
	return nil
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// needed refuses a compute resource that lacks a member.
func needed(c *arm.Call, path string) *azure.Error {
	if arm.Get(c.Doc, path) != nil {
		return nil
	}
	err := azure.ComputeMissing.Format(azure.Fields{"path": strings.TrimPrefix(path, "properties.")})
	err.Target = strings.TrimPrefix(path, "properties.")
	return err
}

// choice is oneOf in the words of the compute resource provider.
func choice(d arm.Doc, path string, allowed ...string) *azure.Error {
	value := arm.Str(d, path)
	if value == "" {
		arm.Set(d, path, allowed[0])
		return nil
	}
	for _, a := range allowed {
		if strings.EqualFold(a, value) {
			arm.Set(d, path, a)
			return nil
		}
	}
	return azure.ComputeInvalid.Format(azure.Fields{"value": value, "path": path, "allowed": strings.Join(allowed, ",")})
}

// stamp is a time as the compute resource provider writes it.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.0000000Z07:00") }

func checkAvailabilitySet(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties", arm.Doc{})
	arm.Default(c.Doc, "properties.platformUpdateDomainCount", number(5))
	arm.Default(c.Doc, "properties.platformFaultDomainCount", number(2))
	return choice(c.Doc, "sku.name", "Classic", "Aligned")
}

func checkProximity(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties", arm.Doc{})
	return choice(c.Doc, "properties.proximityPlacementGroupType", "Standard", "Ultra")
}

func checkReservation(c *arm.Call) *azure.Error {
	for _, p := range []string{"sku.name", "sku.capacity"} {
		if err := needed(c, p); err != nil {
			return err
		}
	}
	keepOld(c, "properties.reservationId", azure.NewGUID().String())
	keepOld(c, "properties.timeCreated", stamp(c.Now))
	arm.Set(c.Doc, "properties.provisioningTime", stamp(c.Now))
	return nil
}

func checkHostGroup(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.supportAutomaticPlacement", false)
	return needed(c, "properties.platformFaultDomainCount")
}

func checkHost(c *arm.Call) *azure.Error {
	keepOld(c, "properties.hostId", azure.NewGUID().String())
	keepOld(c, "properties.timeCreated", stamp(c.Now))
	arm.Default(c.Doc, "properties.autoReplaceOnFailure", true)
	arm.Default(c.Doc, "properties.platformFaultDomain", number(0))
	return needed(c, "sku.name")
}
