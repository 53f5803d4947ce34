package catalogue

import (
	"iter"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// kmsKey: the API server encrypts etcd with a key in the user's vault. A vault that grants by access policies
// asks for no role.
var kmsKey = Requirement{
	ID:      "kms-key",
	Feature: "etcd encrypted with a key of the user's vault",
	Breaks:  "the API server cannot read or write secrets: AzureKeyVaultKmsValidateIdentityPermissionCustomerError",
	Source:  "use-kms-etcd-encryption",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		vault := e.KMSVault(c)
		need := Need{
			DataActions: verbs("Microsoft.KeyVault/vaults/keys", "encrypt/action", "decrypt/action"),
			Phase:       Runtime, Certainty: Now, Role: roleKeyVaultCryptoUser,
		}
		switch doc, known := e.Resource(vault); {
		case c.KMSVaultName() == "":
			return each(nil, need)
		case vault.IsZero():
			need.Target, need.Unsure = c.KMSVaultName(), "key vault "+c.KMSVaultName()+" was not found among what could be read"
			return each([]azure.ID{c.ID}, need)
		case known != estate.Known:
			need.Unsure = "the vault could not be read, so it is not known whether it grants by roles or by access policies"
		case !doc.Flag("properties.enableRbacAuthorization"):
			return each(nil, need)
		}
		return each([]azure.ID{vault}, need)
	},
}

// kmsPrivateEndpoint: AKS asks the vault for a private endpoint, and approves it, as the cluster's identity.
var kmsPrivateEndpoint = Requirement{
	ID:      "kms-private-endpoint",
	Feature: "etcd encrypted with a key of a private vault",
	Breaks:  "updates of the cluster fail with LinkedAuthorizationFailed on privateEndpointConnectionsApproval/action",
	Source:  "use-kms-etcd-encryption",
	Actor:   estate.ControlPlane,
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		if strings.EqualFold(c.Text("properties.securityProfile.azureKeyVaultKms.keyVaultNetworkAccess"), "Private") {
			scopes = some(e.KMSVault(c))
		}
		return each(scopes, Need{
			Actions: verbs("Microsoft.KeyVault/vaults", "privateEndpointConnectionsApproval/action"), Phase: Update, Certainty: Now, Role: roleKeyVaultContributor,
		})
	},
}
