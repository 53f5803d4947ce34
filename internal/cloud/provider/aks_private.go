package provider

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/rbac"
)

const zoneProfile = "properties.apiServerAccessProfile.privateDNSZone"

func isPrivate(d arm.Doc) bool {
	return arm.Bool(d, "properties.apiServerAccessProfile.enablePrivateCluster")
}

// privateZone is where a private cluster's API server has its name: the user's zone, or one that AKS makes ("system",
// the default); no id for "none" and for clusters that are not private.
func privateZone(c *arm.Call) (zone azure.ID, own bool) {
	if !isPrivate(c.Doc) || arm.Bool(c.Doc, "properties.apiServerAccessProfile.enableVnetIntegration") {
		return zone, false
	}
	switch text := arm.Str(c.Doc, zoneProfile); lower(text) {
	case "none":
		return zone, false
	case "", "system":
		name := fmt.Sprintf("%s.privatelink.%s.azmk8s.io", nameFrom(c.ID.Key(), "zone"), arm.Str(c.Doc, "location"))
		return nodeGroup(c.ID, c.Doc).Resource(typePrivateZone, name), true
	default:
		zone, _ = azure.ParseID(text)
		return zone, false
	}
}

func privateFQDN(c *arm.Call) string {
	host := arm.Str(c.Doc, "properties.dnsPrefix") + "-" + suffix(c.ID)
	if zone, _ := privateZone(c); !zone.IsZero() {
		return host + "." + zone.Name()
	}
	return fmt.Sprintf("%s.privatelink.%s.azmk8s.io", host, arm.Str(c.Doc, "location"))
}

// resourceErrorSince is the api-version from which AKS names a missing right in its general form. The first recording
// of that form is of 2026; when it began is not documented.
const resourceErrorSince = "2025-10-01"

// checkPrivateZone checks a private DNS zone that the user brings: a user-assigned identity or service principal
// that may read and write it.
func checkPrivateZone(c *arm.Call) *azure.Error {
	text := arm.Str(c.Doc, zoneProfile)
	if text == "" || slices.Contains([]string{"system", "none"}, lower(text)) || !isPrivate(c.Doc) {
		return nil
	}
	zone, err := azure.ParseID(text)
	if err != nil || !strings.EqualFold(zone.Type(), typePrivateZone) {
		return azure.PrivateZoneInvalidID.Format(azure.Fields{"zone": text})
	}
	if systemAssigned(c.Doc) {
		return azure.PrivateZoneSystemAssigned.Error()
	}
	if doc, err := c.Load(zone); err != nil || doc == nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.PrivateZoneNotFound.Format(azure.Fields{"zone": zone.String()})
	}
	refusal := azure.CustomPrivateDNSZoneMissingPermission
	if c.Version >= resourceErrorSince {
		refusal = azure.ResourceMissingPermission
	}
	return controlPlaneMay(c, refusal, zone, typePrivateZone+"/read", typePrivateZone+"/write")
}

// makePrivateName makes the endpoint of a private cluster's API server and its name: the zone, where AKS makes it, the
// zone's links to the nodes' networks, and the record. In a zone or network of the user's AKS acts as the cluster's
// identity; one that is system-assigned can have no right there before the cluster exists, and is spared.
func makePrivateName(c *arm.Call) *azure.Error {
	if systemAssigned(c.Doc) {
		return writePrivateName(c, c.AsService(aks))
	}
	as, err := asControlPlane(c)
	if err != nil {
		return err
	}
	return writePrivateName(c, as)
}

func writePrivateName(c, as *arm.Call) *azure.Error {
	zone, own := privateZone(c)
	if zone.IsZero() {
		return nil
	}
	address, err := makeEndpoint(c)
	if err != nil {
		return err
	}
	if own {
		if _, err := ensure(c, zone, arm.Doc{"location": "global"}); err != nil {
			return err
		}
	}
	for _, network := range networks(c) {
		if linked, err := isLinked(c, zone, network); err != nil || linked {
			if err != nil {
				return err
			}
			continue
		}
		if _, err := ensureAs(c, as, zoneLink(c, zone, network), arm.Doc{"location": "global", "properties": arm.Doc{
			"registrationEnabled": false, "virtualNetwork": arm.Doc{"id": network.String()}}}); err != nil {
			return err
		}
	}
	_, err = ensureAs(c, as, zoneRecord(c, zone), arm.Doc{"properties": arm.Doc{"ttl": json.Number("300"), "aRecords": []any{arm.Doc{"ipv4Address": address}}}})
	return err
}

// isLinked reports whether the user has linked a zone to a network already: a second link cannot be.
func isLinked(c *arm.Call, zone, network azure.ID) (bool, *azure.Error) {
	own := zoneLink(c, zone, network)
	for d, err := range c.Find(network.Key()) {
		if err != nil {
			return false, arm.Fault(err)
		}
		id := azure.MustID(arm.Str(d, "id"))
		if strings.EqualFold(id.Type(), typeZoneLink) && id.Parent().Equal(zone) && !id.Equal(own) {
			return true, nil
		}
	}
	return false, nil
}

// makeEndpoint makes the private endpoint that nodes reach the API server by, and returns its address.
func makeEndpoint(c *arm.Call) (string, *azure.Error) {
	endpoint, err := ensure(c, nodeGroup(c.ID, c.Doc).Resource(typeEndpoint, "kube-apiserver"), arm.Doc{"properties": arm.Doc{
		"subnet": arm.Doc{"id": poolSubnet(c, pools(c.Doc)[0]).String()},
		"privateLinkServiceConnections": []any{arm.Doc{"name": "kube-apiserver", "properties": arm.Doc{
			"privateLinkServiceId": arm.Str(c.Doc, "id"), "groupIds": []any{"management"}}}}}})
	if err != nil {
		return "", err
	}
	for _, n := range objects(endpoint, "properties.networkInterfaces") {
		nic, err := c.Load(azure.MustID(arm.Str(n, "id")))
		if err != nil {
			return "", arm.Fault(err)
		}
		for _, e := range objects(nic, "properties.ipConfigurations") {
			return arm.Str(e, "properties.privateIPAddress"), nil
		}
	}
	return "", nil
}

// zoneLink and zoneRecord are what AKS writes into a private cluster's zone.
func zoneLink(c *arm.Call, zone, network azure.ID) azure.ID {
	return zone.Join("virtualNetworkLinks", arm.Str(c.Doc, "properties.dnsPrefix")+"-"+suffix(network))
}

func zoneRecord(c *arm.Call, zone azure.ID) azure.ID {
	return zone.Join("A", arm.Str(c.Doc, "properties.dnsPrefix")+"-"+suffix(c.ID))
}

// dropPrivateName takes what AKS wrote out of a zone that the user brought.
func dropPrivateName(c *arm.Call) *azure.Error {
	zone, own := privateZone(c)
	if zone.IsZero() || own {
		return nil
	}
	all := []azure.ID{zoneRecord(c, zone)}
	for _, network := range networks(c) {
		all = append(all, zoneLink(c, zone, network))
	}
	for _, id := range all {
		if err := c.AsService(aks).Drop(id); err != nil {
			return err
		}
	}
	return nil
}

// networks are those that a cluster's nodes stand in.
func networks(c *arm.Call) []azure.ID {
	var out []azure.ID
	for _, p := range pools(c.Doc) {
		network := poolSubnet(c, p).Parent()
		if !slices.ContainsFunc(out, network.Equal) {
			out = append(out, network)
		}
	}
	return out
}

// checkKMS checks the key that etcd is encrypted with (azure-facts 2.3): a user-assigned identity that may use it.
// A vault that only private endpoints reach cannot be asked before.
func checkKMS(c *arm.Call) *azure.Error {
	if !arm.Bool(c.Doc, kmsProfile+".enabled") {
		return nil
	}
	if systemAssigned(c.Doc) {
		return azure.KMSSystemAssigned.Error()
	}
	if kmsVault(c.Doc) != "" {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(arm.Str(c.Doc, kmsProfile+".keyId"), "https://"), ".")
	principal, err := controlPlane(c)
	if err != nil {
		return err
	}
	vault, err := findVault(c, name)
	if err != nil {
		return err
	}
	if !mayEncrypt(c, principal, vault) {
		return azure.KMSIdentityMissingPermission.Format(azure.Fields{"vault": name})
	}
	return nil
}

const kmsProfile = "properties.securityProfile.azureKeyVaultKms"

// kmsVault is the id of the vault that a cluster reaches by a private endpoint, "" for none.
func kmsVault(d arm.Doc) string {
	if !arm.Bool(d, kmsProfile+".enabled") || !strings.EqualFold(arm.Str(d, kmsProfile+".keyVaultNetworkAccess"), "Private") {
		return ""
	}
	return arm.Str(d, kmsProfile+".keyVaultResourceId")
}

// makeKMSEndpoint connects to such a vault, as the cluster's identity: the vault's owner allowed that one to approve it.
func makeKMSEndpoint(c *arm.Call) *azure.Error {
	vault := kmsVault(c.Doc)
	id := nodeGroup(c.ID, c.Doc).Resource(typeEndpoint, "kms-"+suffix(c.ID))
	if vault == "" {
		return c.AsService(aks).Drop(id)
	}
	as, err := asControlPlane(c)
	if err != nil {
		return err
	}
	_, err = ensureAs(c, as, id, arm.Doc{"properties": arm.Doc{"subnet": arm.Doc{"id": poolSubnet(c, pools(c.Doc)[0]).String()},
		"privateLinkServiceConnections": []any{arm.Doc{"name": "kms", "properties": arm.Doc{"privateLinkServiceId": vault, "groupIds": []any{"vault"}}}}}})
	return err
}

// findVault is the key vault of a name, which is unique in Azure; nil where there is none.
func findVault(c *arm.Call, name string) (arm.Doc, *azure.Error) {
	for doc, err := range c.Find(vaultRef(name)) {
		return doc, arm.Fault(err)
	}
	return nil, nil
}

// mayEncrypt decides the use of a vault's keys as the vault does: by data actions, or by its access policies.
func mayEncrypt(c *arm.Call, principal azure.PrincipalID, vault arm.Doc) bool {
	if vault == nil {
		return false
	}
	allowed := func(verb string) bool {
		return c.Policy().Decide(rbac.Request{Principal: principal, Data: true, At: c.Now, Scope: azure.MustID(arm.Str(vault, "id")),
			Action: azure.Action(typeVault + "/keys/" + verb + "/action")}).Outcome == rbac.Granted
	}
	if !arm.Bool(vault, "properties.enableRbacAuthorization") {
		allowed = func(verb string) bool { return policyAllows(vault, principal, verb) }
	}
	return allowed("encrypt") && allowed("decrypt")
}

func policyAllows(vault arm.Doc, principal azure.PrincipalID, verb string) bool {
	return slices.ContainsFunc(arm.List(vault, "properties.accessPolicies"), func(v any) bool {
		policy, _ := v.(map[string]any)
		return strings.EqualFold(arm.Str(policy, "objectId"), principal.String()) &&
			slices.ContainsFunc(text(arm.List(policy, "permissions.keys")), func(p string) bool { return strings.EqualFold(p, verb) || strings.EqualFold(p, "all") })
	})
}
