// Package failure reads logs, events and error texts: who was refused what, where and why, or what is the matter
// instead when identity is not.
//
// A stream is cut into records (record.go), a record is freed of what wraps its text (unwrap.go), its words are read
// against Azure's own texts and a catalogue of codes and wordings (read.go, code.go), and what is the same failure is
// counted once (collect.go).
package failure

import (
	"io"
	"strings"
	"time"

	"aksid/internal/estate"
)

// Kind is what kind of failure a text tells of.
type Kind string

// The kinds. Unknown: it has to do with identity, or cannot be decided from the text, and no Azure role helps.
const (
	MissingAction      Kind = "missing-action"
	LinkedScope        Kind = "linked-scope"
	DenyAssignment     Kind = "deny-assignment"
	Condition          Kind = "abac-condition"
	FederationMismatch Kind = "federation-mismatch"
	InvalidClient      Kind = "invalid-client"
	ExpiredSecret      Kind = "expired-secret"
	IdentityNotFound   Kind = "imds-identity-not-found"
	PrincipalNotFound  Kind = "principal-not-found"
	PullUnauthorized   Kind = "acr-unauthorized"
	PullForbidden      Kind = "acr-forbidden-network"
	PolicyDenied       Kind = "policy-denied"
	Quota              Kind = "quota"
	NotIdentity        Kind = "not-identity"
	Unknown            Kind = "unknown"
)

// BlamesIdentity reports whether a failure of this kind is one of identity.
func (k Kind) BlamesIdentity() bool {
	switch k {
	case PullForbidden, PolicyDenied, Quota, NotIdentity:
		return false
	}
	return true
}

// needsRole reports whether a role assignment (or another grant) is what is missing.
func (k Kind) needsRole() bool {
	return k == MissingAction || k == LinkedScope || k == Condition || k == PullUnauthorized
}

// Actor is whose identity was used.
type Actor string

// The actors. Caller is a person or a pipeline.
const (
	ControlPlane     Actor = "control-plane"
	Kubelet          Actor = "kubelet"
	AddOn            Actor = "addon"
	Workload         Actor = "workload"
	Caller           Actor = "caller"
	ServicePrincipal Actor = "service-principal"
	Nobody           Actor = "unknown"
)

// Failure is one failure, however often it was seen. Its JSON is a contract: fields are only added.
// Ids are as the text prints them: people replace and mask them.
type Failure struct {
	Kind     Kind   `json:"kind"`
	Code     string `json:"code,omitempty"` // as printed, or what the wording implies
	Client   string `json:"client,omitempty"`
	ObjectID string `json:"objectId,omitempty"`
	// Actions are what is missing. With linked scopes these are where it is missing, and Scopes are where the held
	// action ran.
	Actions      []string `json:"actions"`
	Scopes       []string `json:"scopes"`
	LinkedScopes []string `json:"linkedScopes"`
	Actor        Actor    `json:"actor"`
	ActorAlt     []Actor  `json:"actorAlt,omitempty"` // whom the text does not rule out
	// IdentityRelated is false where identity is not the cause.
	IdentityRelated bool       `json:"identityRelated"`
	Count           int        `json:"count"`
	FirstSeen       *time.Time `json:"firstSeen,omitempty"`
	LastSeen        *time.Time `json:"lastSeen,omitempty"`
	Cause           string     `json:"cause"`
	Remedy          Remedy     `json:"remedy"`
	Source          string     `json:"source"` // the document that says so

	Target       string        `json:"target,omitempty"` // the registry, vault or storage account
	Federation   *Federation   `json:"federation,omitempty"`
	Deny         *Deny         `json:"deny,omitempty"`
	Policies     []Policy      `json:"policies,omitempty"`
	Consequences []Consequence `json:"consequences,omitempty"`
	Identity     *Identity     `json:"identity,omitempty"` // with an estate: whose it is
	Breaks       string        `json:"breaks,omitempty"`   // with an estate: what does not work meanwhile
	Verdict      *Verdict      `json:"verdict,omitempty"`  // with an estate: how it would be decided now

	row      *Code
	needs    []need
	stranger string // with an estate: type and name of a principal that is no cluster's
}

// need is a missing action and where it is missing: of several actions and scopes not every pair is.
type need struct {
	action, scope string
	absent        bool // the text says that what it is about is about to be made
}

// Remedy is what helps. Advice is for people, Az are commands, Next are read-only commands that find out more.
// Changes are what to do where the text says all that is needed for it; they are not among the commands.
type Remedy struct {
	Advice  string          `json:"advice,omitempty"`
	Az      []string        `json:"az"`
	Next    []string        `json:"next,omitempty"`
	Changes []estate.Change `json:"-"`
}

// Federation is what a token said of itself that no federated credential accepts.
type Federation struct {
	Issuer   string `json:"issuer,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Audience string `json:"audience,omitempty"`
}

// Deny is the deny assignment that a text names.
type Deny struct {
	Name  string `json:"name,omitempty"`
	ID    string `json:"id,omitempty"`
	Scope string `json:"scope,omitempty"`
}

// Consequence is what waits for a failure to go away, as a pod in ImagePullBackOff.
type Consequence struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Parse reads a whole stream. It uses constant memory beside the failures, of which it keeps at most MaxFailures.
func Parse(r io.Reader) ([]Failure, error) {
	var c Collector
	err := c.Read(r)
	return c.Failures(), err
}

// ParseString is Parse for a text.
func ParseString(text string) []Failure {
	failures, _ := Parse(strings.NewReader(text)) // a string reads without errors
	return failures
}
