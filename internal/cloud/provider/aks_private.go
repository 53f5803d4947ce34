package provider

import (
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

// makePrivateName makes the zone of a private cluster, links it to the nodes' networks and writes the API server's name
// into it. In a zone or network of the user's AKS acts as the cluster's identity; one that is system-assigned can have
// no right there before the cluster exists, and is spared.
func makePrivateName(c *arm.Call) *azure.Error {
	zone, own := privateZone(c)
	if zone.IsZero() {
		return nil
	}
	if own {
		if _, err := ensure(c, zone, arm.Doc{"location": "global"}); err != nil {
			return err
		}
	}
	as := c.AsService(aks)
	if !systemAssigned(c.Doc) {
		var err *azure.Error
		if as, err = asControlPlane(c); err != nil {
			return err
		}
	}
	for _, network := range networks(c) {
		link := zone.Join("virtualNetworkLinks", arm.Str(c.Doc, "properties.dnsPrefix")+"-"+suffix(network))
		if _, err := ensureAs(c, as, link, arm.Doc{"location": "global", "properties": arm.Doc{
			"registrationEnabled": false, "virtualNetwork": arm.Doc{"id": network.String()}}}); err != nil {
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
	const profile = "properties.securityProfile.azureKeyVaultKms"
	if !arm.Bool(c.Doc, profile+".enabled") {
		return nil
	}
	if systemAssigned(c.Doc) {
		return azure.KMSSystemAssigned.Error()
	}
	if strings.EqualFold(arm.Str(c.Doc, profile+".keyVaultNetworkAccess"), "Private") {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(arm.Str(c.Doc, profile+".keyId"), "https://"), ".")
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
