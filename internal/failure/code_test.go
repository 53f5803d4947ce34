package failure

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

func TestCodesAreComplete(t *testing.T) {
	kinds := []Kind{MissingAction, LinkedScope, DenyAssignment, Condition, FederationMismatch, InvalidClient, ExpiredSecret, IdentityNotFound,
		PrincipalNotFound, PullUnauthorized, PullForbidden, PolicyDenied, Quota, NotIdentity, Unknown}
	said := map[string]string{}
	for _, c := range codes {
		if c.Name == "" || c.Means == "" || c.Advice == "" || c.Source == "" || !slices.Contains(kinds, c.Kind) {
			t.Errorf("%s lacks its name, meaning, advice, source or kind", c.Name)
		}
		for _, text := range []string{c.Means, c.Not, c.Advice} {
			if text != "" && !strings.HasSuffix(strings.TrimRight(text, `"”`), ".") {
				t.Errorf("%s: %q is no sentence", c.Name, text)
			}
		}
		if c.Rank != Wrapper && c.Kind != Quota && c.Not == "" {
			t.Errorf("%s does not say what it is not", c.Name)
		}
		for _, s := range c.Says {
			if other := said[s]; other != "" && other != c.Name {
				t.Errorf("%q is said by %s and %s", s, other, c.Name)
			}
			said[s] = c.Name
		}
		if rows := Lookup(strings.ToUpper(c.Name)); !slices.Contains(rows, c) {
			t.Errorf("%s is not found by its name", c.Name)
		}
	}
	if Lookup("no such code") != nil {
		t.Error("a code was found that is not there")
	}
}

// TestCodesByName: each code is recognised where it is printed.
func TestCodesByName(t *testing.T) {
	for _, c := range codes {
		for _, name := range append([]string{c.Name}, c.Also...) {
			if c.NoCode || name[0] < 'A' || name[0] > 'Z' || strings.Contains(name, " ") {
				continue
			}
			for _, text := range []string{
				`StatusCode=400 -- Original Error: Code="` + name + `" Message="something"`,
				`{"error":{"code":"` + name + `","message":"something"}}`,
				"ERROR: (" + name + ") something\nCode: " + name + "\nMessage: something",
			} {
				f := firstOf(ParseString(text))
				if !strings.EqualFold(f.Code, name) || f.Kind != plainest(rowsNamed(name)).Kind {
					t.Errorf("%s reads as %s %s: %s", name, f.Kind, f.Code, text)
				}
			}
		}
	}
}

func rowsNamed(name string) []*Code {
	l := lexiconOf()
	return l.names[l.words[strings.ToLower(name)]]
}

// TestCodesByWording: each wording leads to its row where nothing more special is there.
func TestCodesByWording(t *testing.T) {
	for _, c := range codes {
		for _, says := range c.Says {
			text := "Something failed: " + strings.ReplaceAll(says, "*", "x") + "."
			f := firstOf(ParseString(text))
			if f.Kind != c.Kind || f.row != c && f.row.Rank > c.Rank {
				t.Errorf("%q reads as %s %s, want %s %s", text, f.Kind, f.Code, c.Kind, c.Name)
			}
		}
	}
}

// TestEveryTextHasARow: the texts that speak of access are in the catalogue; the rest is no matter of identity.
func TestEveryTextHasARow(t *testing.T) {
	for _, m := range azure.Messages() {
		row := lexiconOf().byText[m]
		if row == nil {
			t.Fatalf("%s has no row", m.Code)
		}
		if known := slices.Contains(codes, row); !known && (m.Status == 403 || strings.HasPrefix(m.Code, "AADSTS")) {
			t.Errorf("%s (%d) is not in the catalogue: %s", m.Code, m.Status, m.Text)
		}
	}
}

// TestRolesGrantTheirActions: every role of the table exists, and what is advised allows what was refused.
func TestRolesGrantTheirActions(t *testing.T) {
	for _, r := range roles {
		for _, name := range r.roles {
			if _, ok := rbac.BuiltInRole(name); !ok {
				t.Errorf("there is no role %q", name)
			}
		}
	}
	for _, test := range []struct{ action, role string }{
		{"Microsoft.Network/virtualNetworks/subnets/join/action", "Network Contributor"},
		{"Microsoft.Network/privateDnsZones/join/action", "Private DNS Zone Contributor"},
		{"Microsoft.Network/dnsZones/TXT/write", "DNS Zone Contributor"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "Managed Identity Operator"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", "Managed Identity Federated Identity Credential Contributor"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/write", "Managed Identity Contributor"},
		{"Microsoft.Compute/disks/write", "Virtual Machine Contributor"},
		{"Microsoft.Compute/disks/beginGetAccess/action", "Disk Snapshot Contributor"},
		{"Microsoft.Compute/snapshots/write", "Disk Snapshot Contributor"},
		{"Microsoft.Compute/diskEncryptionSets/read", "Reader"},
		{"Microsoft.Compute/galleries/images/versions/read", "Compute Gallery Image Reader"},
		{"Microsoft.Storage/storageAccounts/listKeys/action", "Storage Account Contributor"},
		{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", "Storage Blob Data Contributor"},
		{"Microsoft.OperationalInsights/workspaces/sharedKeys/action", "Log Analytics Contributor"},
		{"Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", "Azure Kubernetes Service Cluster User Role"},
		{"Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action", "Azure Kubernetes Service Cluster Admin Role"},
		{"Microsoft.ContainerService/managedClusters/accessProfiles/listCredential/action", "Azure Kubernetes Service Cluster Admin Role"},
		{"Microsoft.ContainerService/managedClusters/pods/read", "Azure Kubernetes Service RBAC Reader"},
		{"Microsoft.ContainerService/managedClusters/write", "Azure Kubernetes Service Contributor Role"},
		{"Microsoft.ContainerService/fleets/write", "Azure Kubernetes Fleet Manager Contributor Role"},
		{"Microsoft.ContainerRegistry/registries/pull/read", "AcrPull"},
		{"Microsoft.ContainerRegistry/registries/push/write", "AcrPush"},
		{"Microsoft.ContainerRegistry/registries/importImage/action", "Container Registry Data Importer and Data Reader"},
		{"Microsoft.KeyVault/vaults/secrets/getSecret/action", "Key Vault Secrets User"},
		{"Microsoft.KeyVault/vaults/secrets/setSecret/action", "Key Vault Secrets Officer"},
		{"Microsoft.KeyVault/vaults/certificates/import/action", "Key Vault Certificates Officer"},
		{"Microsoft.KeyVault/vaults/keys/encrypt/action", "Key Vault Crypto User"},
		{"Microsoft.KeyVault/vaults/keys/create/action", "Key Vault Crypto Officer"},
		{"Microsoft.Authorization/roleAssignments/write", "Role Based Access Control Administrator"},
		{"Microsoft.Authorization/roleDefinitions/write", "User Access Administrator"},
		{"Microsoft.Authorization/policyAssignments/write", "Resource Policy Contributor"},
		{"Microsoft.Authorization/locks/delete", "Locks Contributor"},
		{"Microsoft.Management/managementGroups/write", "Management Group Contributor"},
		{"Microsoft.Foo/bars/read", "Reader"},
		{"Microsoft.Foo/bars/write", "Contributor"},
		{"Microsoft.Blueprint/blueprintAssignments/write", "Owner"}, // a Contributor may not
	} {
		role := roleFor(test.action, ControlPlane)
		if role != test.role {
			t.Errorf("for %s the role is %s, want %s", test.action, role, test.role)
		}
		if !grants(role, test.action, false) && !grants(role, test.action, true) {
			t.Errorf("%s does not grant %s", role, test.action)
		}
	}
}

// TestRoleOfReaders: who only reads needs no role to write with, unless reading is all that it allows or it is data.
func TestRoleOfReaders(t *testing.T) {
	for _, test := range []struct {
		action string
		actor  Actor
		role   string
	}{
		{"Microsoft.Compute/virtualMachines/read", Caller, "Reader"},
		{"Microsoft.Compute/virtualMachines/read", ControlPlane, "Virtual Machine Contributor"},
		{"Microsoft.ContainerRegistry/registries/pull/read", Caller, "AcrPull"},
		{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", Caller, "Storage Blob Data Reader"},
		{"Microsoft.OperationalInsights/workspaces/sharedKeys/action", Caller, "Log Analytics Contributor"},
	} {
		if got := roleFor(test.action, test.actor); got != test.role {
			t.Errorf("%s of %s: %s, want %s", test.action, test.actor, got, test.role)
		}
	}
}

// TestGrantScope: a role is assigned where it can be.
func TestGrantScope(t *testing.T) {
	const group = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1"
	for _, test := range []struct{ action, scope, want string }{
		{"Microsoft.Compute/disks/write", group + "/providers/Microsoft.Compute/disks/d", group},
		{"Microsoft.Compute/disks/read", group + "/providers/Microsoft.Compute/disks/d", group + "/providers/Microsoft.Compute/disks/d"},
		{"Microsoft.Network/loadBalancers/read", group + "/providers/Microsoft.Network", group},
		{"Microsoft.Authorization/roleAssignments/write", group + "/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Authorization/roleAssignments/r", group + "/providers/Microsoft.Network/virtualNetworks/v"},
		{"Microsoft.Resources/subscriptions/resourceGroups/write", group, group[:strings.Index(group, "/resourceGroups")]},
		{"Microsoft.Resources/subscriptions/resourceGroups/read", group, group},
		{"Microsoft.Resources/deployments/validate/action", group + "/providers/Microsoft.Resources/deployments/d", group},
		{"Microsoft.Resources/deployments/validate/action", "/providers/Microsoft.Resources/deployments/d", "/"},
		{"Microsoft.Authorization/policyDefinitions/write", "/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.Authorization/policyDefinitions/p", "/providers/Microsoft.Management/managementGroups/m"},
	} {
		if got := grantScope(test.action, test.scope); got != test.want {
			t.Errorf("%s at %s: %s, want %s", test.action, test.scope, got, test.want)
		}
	}
}
