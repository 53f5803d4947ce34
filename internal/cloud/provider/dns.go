package provider

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// recordKind is a type of DNS records: its name, and the member that holds a record set's records,
// with a capital in public zones and without one in private ones.
type recordKind struct {
	name, member string
	one          bool // the member is one object
	publicOnly   bool
}

var recordKinds = []recordKind{
	{name: "A", member: "ARecords"}, {name: "AAAA", member: "AAAARecords"}, {name: "CNAME", member: "CNAMERecord", one: true},
	{name: "MX", member: "MXRecords"}, {name: "PTR", member: "PTRRecords"}, {name: "SOA", member: "SOARecord", one: true},
	{name: "SRV", member: "SRVRecords"}, {name: "TXT", member: "TXTRecords"},
	{name: "NS", member: "NSRecords", publicOnly: true}, {name: "CAA", member: "caaRecords", publicOnly: true},
	{name: "DS", member: "DSRecords", publicOnly: true}, {name: "TLSA", member: "TLSARecords", publicOnly: true}, {name: "NAPTR", member: "NAPTRRecords", publicOnly: true},
}

// at is the member's name in a zone of a type.
func (k recordKind) at(zone string) string {
	if zone == typeDNSZone {
		return k.member
	}
	return lower(k.name) + strings.TrimPrefix(k.member, k.name)
}

func kindsOf(zone string) []recordKind {
	return slices.DeleteFunc(slices.Clone(recordKinds), func(k recordKind) bool { return k.publicOnly && zone != typeDNSZone })
}

// zoneName is a domain name of at least two labels; private zones may have one.
var (
	zoneName        = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	privateZoneName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	recordName      = regexp.MustCompile(`^(@|\*|(\*\.)?([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63})$`)
)

func dns() []arm.Type {
	versions := map[string][]string{typeDNSZone: {"2023-07-01-preview", "2018-05-01", "2017-09-01", "2016-04-01"}, typePrivateZone: {"2024-06-01", "2020-06-01", "2020-01-01", "2018-09-01"}}
	zone := arm.Type{Tracked: true, Global: true, ETag: true, Source: "Microsoft Learn: Azure DNS; az 2.45"}
	public, private := zone, zone
	public.Name, public.Check, public.Written, public.View = typeDNSZone, checkZone, firstRecords, viewZone
	private.Name, private.Check, private.Written, private.View, private.Nested = typePrivateZone, checkZone, firstRecords, viewZone, true
	private.Codes = arm.Codes{Create: 202, Update: 202, Delete: 202}
	private.Receipts = arm.Receipts{Write: arm.Async | arm.Located, Delete: arm.Async | arm.Located, Blank: true}
	public.Codes.Delete, public.Receipts.Delete = 202, private.Receipts.Delete
	link := zone
	link.Codes, link.Receipts = private.Codes, private.Receipts
	link.Name, link.Check, link.NameRule = typeZoneLink, checkZoneLink, networkName
	link.Links = []arm.Link{{Path: "properties.virtualNetwork.id", Action: joinVNet}}
	types := []arm.Type{public, private, link}
	for _, z := range []string{typeDNSZone, typePrivateZone} {
		for _, k := range kindsOf(z) {
			types = append(types, arm.Type{Name: z + "/" + k.name, ETag: true, Check: checkRecords(z, k), Guard: keepApex, View: viewRecords})
		}
		types = append(types, arm.Type{Name: z + "/ALL", ReadOnly: true, List: allRecords})
	}
	types = append(types, arm.Type{Name: typeDNSZone + "/recordsets", ReadOnly: true, List: allRecords})
	for i := range types {
		t := &types[i]
		z := typePrivateZone
		if strings.HasPrefix(t.Name, typeDNSZone) {
			z = typeDNSZone
			t.Shown = strings.Replace(t.Name, "/dnsZones", "/dnszones", 1) // external-dns cuts just that off
		}
		t.Since, t.Versions = "2015-05-04-preview", versions[z]
	}
	return types
}

// isPublic tells the two kinds of zones apart by an id of one, or of what is in it.
func isPublic(id azure.ID) bool { return azure.Action(id.Type()).HasPrefix(typeDNSZone) }

func checkZone(c *arm.Call) *azure.Error {
	rule, numbers := privateZoneName, map[string]any{"maxNumberOfRecordSets": 25000, "maxNumberOfVirtualNetworkLinks": 1000, "maxNumberOfVirtualNetworkLinksWithRegistration": 100}
	if isPublic(c.ID) {
		rule, numbers = zoneName, map[string]any{"maxNumberOfRecordSets": 10000, "nameServers": nameServers, "zoneType": "Public"}
	}
	if c.Old == nil && (!rule.MatchString(c.ID.Name()) || len(c.ID.Name()) > 253) {
		return azure.InvalidZoneName.Format(azure.Fields{"name": c.ID.Name()})
	}
	arm.Default(c.Doc, "properties", arm.Doc{})
	for k, v := range numbers {
		arm.Set(c.Doc, "properties."+k, v)
	}
	return nil
}

var nameServers = []any{"ns1-01.azure-dns.com.", "ns2-01.azure-dns.net.", "ns3-01.azure-dns.org.", "ns4-01.azure-dns.info."}

// firstRecords makes the records that every zone has.
func firstRecords(c *arm.Call) *azure.Error {
	if c.Old != nil {
		return nil
	}
	number := func(n int) json.Number { return json.Number(fmt.Sprint(n)) }
	if !isPublic(c.ID) {
		return putRecords(c, c.ID.Join("SOA", "@"), arm.Doc{"ttl": number(3600), "soaRecord": arm.Doc{"host": "azureprivatedns.net", "email": "azureprivatedns-host.microsoft.com",
			"serialNumber": number(1), "refreshTime": number(3600), "retryTime": number(300), "expireTime": number(2419200), "minimumTtl": number(10)}})
	}
	var servers []any
	for _, s := range nameServers {
		servers = append(servers, arm.Doc{"nsdname": s})
	}
	if err := putRecords(c, c.ID.Join("NS", "@"), arm.Doc{"TTL": number(172800), "NSRecords": servers}); err != nil {
		return err
	}
	return putRecords(c, c.ID.Join("SOA", "@"), arm.Doc{"TTL": number(3600), "SOARecord": arm.Doc{"host": nameServers[0], "email": "azuredns-hostmaster.microsoft.com",
		"serialNumber": number(1), "refreshTime": number(3600), "retryTime": number(300), "expireTime": number(2419200), "minimumTTL": number(300)}})
}

func putRecords(c *arm.Call, id azure.ID, properties arm.Doc) *azure.Error {
	_, err := c.PutPart(id, arm.Doc{"properties": properties})
	return err
}

// viewZone counts what is in a zone.
func viewZone(c *arm.Call, d arm.Doc) {
	id := azure.MustID(arm.Str(d, "id"))
	records := 0
	for range allRecordsOf(c, id) {
		records++
	}
	arm.Set(d, "properties.numberOfRecordSets", records)
	if isPublic(id) {
		return
	}
	links, registering := 0, 0
	for l, err := range c.Resources(id, typeZoneLink) {
		if err != nil {
			return
		}
		links++
		if arm.Bool(l, "properties.registrationEnabled") {
			registering++
		}
	}
	arm.Set(d, "properties.numberOfVirtualNetworkLinks", links)
	arm.Set(d, "properties.numberOfVirtualNetworkLinksWithRegistration", registering)
}

// checkZoneLink refuses to link a network to two zones of one name, or to two that register its machines.
func checkZoneLink(c *arm.Call) *azure.Error {
	network, err := azure.ParseID(arm.Str(c.Doc, "properties.virtualNetwork.id"))
	if err != nil {
		return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.virtualNetwork.id", "id": c.ID.String()})
	}
	if old := arm.Str(c.Old, "properties.virtualNetwork.id"); old != "" && !strings.EqualFold(old, network.String()) {
		return azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": "properties.virtualNetwork"})
	}
	arm.Default(c.Doc, "properties.registrationEnabled", false)
	arm.Set(c.Doc, "properties.virtualNetworkLinkState", "Completed")
	zone := c.ID.Parent()
	for d, err := range c.Find(network.Key()) {
		if err != nil {
			return arm.Fault(err)
		}
		other := azure.MustID(arm.Str(d, "id"))
		switch {
		case !strings.EqualFold(other.Type(), typeZoneLink) || other.Equal(c.ID):
		case strings.EqualFold(other.Parent().Name(), zone.Name()):
			return azure.OverlappingZones.Format(azure.Fields{"zone": zone.Name(), "other": other.Parent().Name()})
		case arm.Bool(d, "properties.registrationEnabled") && arm.Bool(c.Doc, "properties.registrationEnabled"):
			return azure.SecondRegistration.Format(azure.Fields{"other": other.Parent().Name()})
		}
	}
	return nil
}

// checkRecords checks a record set: its name, its time to live, its records.
func checkRecords(zone string, k recordKind) check {
	member := "properties." + k.at(zone)
	return func(c *arm.Call) *azure.Error {
		bad := func(reason string) *azure.Error {
			return azure.InvalidRecordName.Format(azure.Fields{"name": c.ID.Name(), "kind": k.name, "reason": reason})
		}
		if !recordName.MatchString(c.ID.Name()) {
			return bad("the name is not a relative domain name")
		}
		arm.Default(c.Doc, "properties", arm.Doc{})
		props := arm.Map(c.Doc, "properties")
		if props["TTL"] == nil && props["ttl"] == nil {
			return bad("the time to live (TTL) is missing")
		}
		if k.name == "SOA" && c.ID.Name() != "@" {
			return bad("there is one, named '@'")
		}
		if k.name == "CNAME" && c.ID.Name() == "@" {
			return bad("a zone's own name cannot be an alias")
		}
		if !k.one && arm.Str(c.Doc, "properties.targetResource.id") == "" {
			arm.Default(c.Doc, member, []any{})
		}
		for _, r := range objects(c.Doc, member) {
			ip := cmp.Or(arm.Str(r, "ipv4Address"), arm.Str(r, "ipv6Address"))
			if a, err := netip.ParseAddr(ip); (k.name == "A" || k.name == "AAAA") && (err != nil || a.Is4() != (k.name == "A")) {
				return bad("'" + ip + "' is not an address")
			}
		}
		arm.Set(c.Doc, "properties.provisioningState", "Succeeded")
		arm.Set(c.Doc, "properties.isAutoRegistered", false)
		if zone == typeDNSZone {
			arm.Unset(c.Doc, "properties.isAutoRegistered")
		}
		return aliasAlone(c, zone, k)
	}
}

// keepApex refuses to delete the records that a zone cannot be without.
func keepApex(c *arm.Call) *azure.Error {
	kind := c.Type.Name[strings.LastIndexByte(c.Type.Name, '/')+1:]
	if c.ID.Name() == "@" && (kind == "SOA" || kind == "NS") {
		return azure.RecordFixed.Format(azure.Fields{"kind": kind})
	}
	return nil
}

// aliasAlone refuses an alias beside other records of its name.
func aliasAlone(c *arm.Call, zone string, k recordKind) *azure.Error {
	for _, other := range kindsOf(zone) {
		if other.name == k.name || (other.name != "CNAME") == (k.name != "CNAME") {
			continue
		}
		doc, err := c.Load(c.ID.Parent().Join(other.name, c.ID.Name()))
		if err != nil {
			return arm.Fault(err)
		}
		if doc != nil {
			return azure.RecordNameTaken.Error()
		}
	}
	return nil
}

// viewRecords gives a record set its full name.
func viewRecords(_ *arm.Call, d arm.Doc) {
	id := azure.MustID(arm.Str(d, "id"))
	name := id.Parent().Name() + "."
	if id.Name() != "@" {
		name = id.Name() + "." + name
	}
	arm.Set(d, "properties.fqdn", name)
}

// allRecordsOf yields the record sets of a zone.
func allRecordsOf(c *arm.Call, zone azure.ID) iter.Seq2[arm.Doc, error] {
	typ := typePrivateZone
	if isPublic(zone) {
		typ = typeDNSZone
	}
	return func(yield func(arm.Doc, error) bool) {
		for _, k := range kindsOf(typ) {
			for d, err := range c.Resources(zone, typ+"/"+k.name) {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

// allRecords lists a zone's record sets whose names end in $recordsetnamesuffix.
func allRecords(c *arm.Call) iter.Seq2[arm.Doc, error] {
	suffix := lower(c.Param("$recordsetnamesuffix"))
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range allRecordsOf(c, c.ID) {
			if err == nil {
				viewRecords(c, d)
				if !strings.HasSuffix(lower(arm.Str(d, "name")), suffix) {
					continue
				}
			}
			if !yield(d, err) {
				return
			}
		}
	}
}
