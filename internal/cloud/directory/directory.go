// Package directory is the tenant's directory: principals, their secrets and memberships, kept in a store transaction.
package directory

import (
	"time"

	"aksid/internal/azure"
)

// Kinds of principals, as role assignments spell them.
const (
	ServicePrincipal = "ServicePrincipal"
	User             = "User"
	Group            = "Group"
)

// Kinds of service principals, as Microsoft Graph spells them.
const (
	Application     = "Application"
	ManagedIdentity = "ManagedIdentity"
)

// Principal is an object of the directory that roles can be assigned to.
type Principal struct {
	ID          azure.PrincipalID `json:"id"`             // object id
	AppID       azure.GUID        `json:"appId,omitzero"` // client id, of service principals
	Type        string            `json:"type"`           // ServicePrincipal, User or Group
	Kind        string            `json:"kind,omitempty"` // of service principals: Application or ManagedIdentity
	DisplayName string            `json:"displayName"`
	UPN         string            `json:"upn,omitempty"`     // userPrincipalName, of users
	Resource    azure.ID          `json:"resource,omitzero"` // of managed identities: the resource that carries it
	Disabled    bool              `json:"disabled,omitempty"`
	Admin       bool              `json:"admin,omitempty"` // may write the directory
	Created     time.Time         `json:"created"`
	Secrets     []Secret          `json:"secrets,omitempty"`
}

// Secret is a client secret, kept as a salted hash only.
type Secret struct {
	ID         azure.GUID `json:"id"`
	Hint       string     `json:"hint"` // the first three characters, as Entra shows them
	Salt, Hash []byte
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
}

// Caller is an authenticated principal: the claims of a verified token.
type Caller struct {
	ID       azure.PrincipalID
	AppID    azure.GUID
	Tenant   azure.GUID
	Type     string              // ServicePrincipal or User
	UPN      string              // of users
	Resource azure.ID            // xms_mirid: of managed identities
	Groups   []azure.PrincipalID // nil: as the directory says now
	Claims   map[string]any
}
