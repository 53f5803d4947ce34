package drift

import (
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// aspect is something of a cluster that is to be alike.
type aspect struct {
	area     Area
	what     string
	severity finding.Severity
	value    func(*side) string // "": none, or Unreadable
	quiet    bool               // what could not be read is told elsewhere; otherwise it is the node subnet
}

// aspects are what is looked at: what changes who acts, what is needed or who can reach what. A new one is a row.
var aspects = []aspect{
	{Identities, "control plane", finding.Warning, func(s *side) string { return s.kind(estate.ControlPlane) }, false},
	{Identities, "kubelet", finding.Warning, func(s *side) string { return s.kind(estate.Kubelet) }, false},
	{Identities, "control plane and kubelet", finding.Warning, (*side).shared, false},

	{Features, "network plugin", finding.Note, text("properties.networkProfile.networkPlugin"), false},
	{Features, "network plugin mode", finding.Note, text("properties.networkProfile.networkPluginMode"), false},
	{Features, "network policy", finding.Note, text("properties.networkProfile.networkPolicy"), false},
	{Features, "load balancer pools", finding.Note, text("properties.networkProfile.loadBalancerProfile.backendPoolType"), false},
	{Features, "local accounts", finding.Warning, off("properties.disableLocalAccounts"), false},
	{Features, "Entra ID", finding.Note, on("properties.aadProfile.managed"), false},
	{Features, "Azure RBAC for Kubernetes", finding.Note, on("properties.aadProfile.enableAzureRBAC"), false},
	{Features, "OIDC issuer", finding.Note, on("properties.oidcIssuerProfile.enabled"), false},
	{Features, "workload identity", finding.Note, on("properties.securityProfile.workloadIdentity.enabled"), false},
	{Features, "pod identity", finding.Note, on("properties.podIdentityProfile.enabled"), false},
	{Features, "KMS with a key vault", finding.Note, on("properties.securityProfile.azureKeyVaultKms.enabled"), false},
	{Features, "node auto provisioning", finding.Note, text("properties.nodeProvisioningProfile.mode"), false},
	{Features, "application routing", finding.Note, on("properties.ingressProfile.webAppRouting.enabled"), false},
	{Features, "disk driver", finding.Note, unless("properties.storageProfile.diskCSIDriver.enabled"), false},
	{Features, "file driver", finding.Note, unless("properties.storageProfile.fileCSIDriver.enabled"), false},
	{Features, "blob driver", finding.Note, on("properties.storageProfile.blobCSIDriver.enabled"), false},
	{Features, "add-ons", finding.Note, (*side).addOns, false},
	{Features, "brought disk encryption set", finding.Note, has("the disk encryption set"), false},
	{Features, "brought capacity reservation group", finding.Note, has("the capacity reservation group"), false},
	{Features, "brought host group", finding.Note, has("the host group"), false},

	{Registries, "registries", finding.Note, (*side).registries, true},
	{Registries, "permissions of the registries", finding.Note, (*side).registryModes, true},
	{Registries, "images from elsewhere", finding.Note, (*side).imagesElsewhere, true},

	{Network, "API server", finding.Note, (*side).apiServer, false},
	{Network, "private DNS zone", finding.Note, (*side).zone, false},
	{Network, "outbound", finding.Note, text("properties.networkProfile.outboundType"), false},
	{Network, "outbound IPs", finding.Note, brought("the outbound IP"), false},
	{Network, "node subnet", finding.Note, brought("the node subnet"), false},
	{Network, "virtual network", finding.Note, (*side).networkPlace, false},
	{Network, "pod subnet", finding.Note, has("the pod subnet"), false},
	{Network, "route table of the node subnet", finding.Note, ofSubnet("the route table of the node subnet"), false},
	{Network, "network security group of the node subnet", finding.Note, ofSubnet("the network security group of the node subnet"), false},
	{Network, "NAT gateway of the node subnet", finding.Note, ofSubnet("the NAT gateway of the node subnet"), false},
}

func (c *comparison) aspects() {
	unread := make([][]string, len(c.sides))
	for _, a := range aspects {
		values := make([]string, len(c.sides))
		for i, s := range c.sides {
			if s == nil {
				continue
			}
			if values[i] = a.value(s); values[i] == Unreadable && !a.quiet {
				unread[i] = append(unread[i], a.what)
			}
		}
		c.differ(a.area, a.severity, a.what, values)
	}
	for i, what := range unread {
		if len(what) > 0 {
			c.unknown(i, listed(what), "the node subnet could not be read")
		}
	}
}

func text(path string) func(*side) string {
	return func(s *side) string { return strings.ToLower(s.c.Text(path)) }
}

func on(path string) func(*side) string {
	return func(s *side) string { return onOff(s.c.Flag(path)) }
}

// off is for a flag that turns something off.
func off(path string) func(*side) string {
	return func(s *side) string { return onOff(!s.c.Flag(path)) }
}

// unless is for what is on where a flag does not say otherwise.
func unless(path string) func(*side) string {
	return func(s *side) string { return onOff(!s.c.Has(path) || s.c.Flag(path)) }
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// has tells whether there is something of a name.
func has(name string) func(*side) string {
	return func(s *side) string {
		if len(s.called(name)) > 0 {
			return "yes"
		}
		return "no"
	}
}

// brought tells whether something is the user's or was made by AKS.
func brought(name string) func(*side) string {
	return func(s *side) string {
		if len(s.called(name)) > 0 {
			return "brought"
		}
		return "made by AKS"
	}
}

// ofSubnet tells whether the node subnets have something.
func ofSubnet(name string) func(*side) string {
	return func(s *side) string {
		for _, subnet := range s.c.NodeSubnets() {
			if _, known := s.e.Resource(subnet); known == estate.Unread {
				return Unreadable
			}
		}
		return has(name)(s)
	}
}

// kind is what an identity is, and who made it: AKS makes its own ones in the node resource group.
func (s *side) kind(role estate.IdentityRole) string {
	id, ok := s.e.Actor(s.c, role, "")
	switch {
	case !ok:
		return ""
	case id.Kind == estate.SystemAssigned:
		return "system-assigned"
	case id.Kind != estate.UserAssigned:
		return "service principal"
	case id.Resource.GroupID().Equal(s.c.NodeGroup()):
		return "user-assigned, made by AKS"
	}
	return "user-assigned, brought"
}

const oneIdentity = "one identity"

// shared tells whether one identity does the work of both.
func (s *side) shared() string {
	plane, ok := s.e.Actor(s.c, estate.ControlPlane, "")
	kubelet, ok2 := s.e.Actor(s.c, estate.Kubelet, "")
	if ok && ok2 && plane.Known() && plane.Principal == kubelet.Principal {
		return oneIdentity
	}
	return "an identity each"
}

func (s *side) addOns() string {
	profiles, _ := s.c.Doc["properties"].(map[string]any)
	all, _ := profiles["addonProfiles"].(map[string]any)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if p, _ := all[name].(map[string]any); p["enabled"] == true {
			out = append(out, strings.ToLower(name))
		}
	}
	return listed(out)
}

func (s *side) apiServer() string {
	switch {
	case !s.c.APIServerSubnet().IsZero() && s.c.Private():
		return "private, in a brought subnet"
	case !s.c.APIServerSubnet().IsZero():
		return "public, in a brought subnet"
	case s.c.Private():
		return "private"
	case len(s.c.List("properties.apiServerAccessProfile.authorizedIPRanges")) > 0:
		return "public, for some addresses"
	}
	return "public"
}

func (s *side) zone() string {
	if !s.c.PrivateZone().IsZero() {
		return "brought"
	}
	if !s.c.Private() {
		return ""
	}
	if strings.EqualFold(s.c.Text("properties.apiServerAccessProfile.privateDNSZone"), "none") {
		return "none"
	}
	return "made by AKS"
}

// networkPlace is where the virtual network is, seen from the cluster.
func (s *side) networkPlace() string {
	ids := s.called("the virtual network")
	if len(ids) == 0 {
		return "made by AKS"
	}
	return s.place(ids[0])
}

// place is where something is, seen from the cluster.
func (s *side) place(id azure.ID) string {
	switch {
	case id.GroupID().Equal(s.c.ID.GroupID()):
		return "in the cluster's resource group"
	case strings.EqualFold(id.Subscription(), s.c.ID.Subscription()):
		return "in another resource group"
	}
	return "in another subscription"
}

// registries are the kinds of registries that the cluster pulls from, however many of each.
func (s *side) registries() string {
	if s.hidesRegistries() {
		return Unreadable
	}
	var out []string
	for _, id := range s.called("the registry") {
		doc, known := s.e.Resource(id)
		if known == estate.Unread {
			return Unreadable
		}
		text := s.place(id)
		if strings.EqualFold(doc.Text("properties.publicNetworkAccess"), "Disabled") {
			text += ", private network only"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "; ")
}

// hidesRegistries reports whether the cluster may pull from registries that are not known: because of a role on more than one,
// or because its roles are not known.
func (s *side) hidesRegistries() bool {
	kubelet, ok := s.e.Actor(s.c, estate.Kubelet, "")
	return ok && len(s.called("the registry")) == 0 &&
		(!kubelet.Known() || s.pullsSomewhere() || s.unread(kubelet.Principal, s.c.ID) != "")
}

// registryModes is what the registries ask roles on.
func (s *side) registryModes() string {
	if s.hidesRegistries() {
		return Unreadable
	}
	var out []string
	for _, id := range s.called("the registry") {
		switch s.e.RegistryMode(id) {
		case estate.ModeRBAC:
			out = append(out, "roles on the registry")
		case estate.ModeABAC:
			out = append(out, "roles on repositories")
		default:
			return Unreadable
		}
	}
	slices.Sort(out)
	return listed(slices.Compact(out))
}
