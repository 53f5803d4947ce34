// Package breakglass grants roles in an emergency and takes them back: a request says which finding it is for and gets the
// least that mends it, another principal approves, and what was given ends by itself, through Privileged Identity Management
// where the tenant has it, or by Expire. Every step is an entry of a record that several people and machines share: a file of
// JSON lines, each of which holds the digest of the one before it.
package breakglass

import (
	"time"

	"aksid/internal/azure"
)

// Verb is what an entry says was done.
type Verb string

// The verbs. Approve, Revoke and Expire are written before Azure is changed, Give, Fail and End after it: what a run that
// crashed has left behind is between them.
const (
	Ask      Verb = "request"  // somebody asks
	Withdraw Verb = "withdraw" // a request that was not approved is taken back or refused
	Lapse    Verb = "lapse"    // nobody approved it in time
	Approve  Verb = "approve"  // somebody else agrees; the roles are about to be given
	Give     Verb = "grant"    // a role was given
	Activate Verb = "activate" // a person is about to take up what it was made eligible for
	Fail     Verb = "fail"     // Azure refused
	Revoke   Verb = "revoke"   // what was given is about to be taken away before its time
	Expire   Verb = "expire"   // what was given is about to be taken away, its time is over
	End      Verb = "end"      // it is gone
	Found    Verb = "found"    // a role assignment carries the mark of a request that the record does not have
)

// Entry is one line of a record.
type Entry struct {
	Number   int       `json:"n"` // from 1
	At       time.Time `json:"at"`
	Verb     Verb      `json:"do"`
	Request  string    `json:"id"`
	By       Person    `json:"by"`
	Why      string    `json:"why,omitempty"`
	Asked    *Asked    `json:"asked,omitempty"`    // of request
	Until    time.Time `json:"until,omitzero"`     // of approve and grant
	How      How       `json:"how,omitempty"`      // of grant
	Grant    int       `json:"grant,omitempty"`    // which one of Asked.Grants, from 1
	Resource azure.ID  `json:"resource,omitzero"`  // what was written
	Previous string    `json:"previous,omitempty"` // SHA-256 of the line before, in hex
	Sum      string    `json:"sum,omitempty"`      // SHA-256 of this line without it, in hex
}

// Person is who did something: the object id and the tenant are those of the token that Azure took.
type Person struct {
	Object azure.PrincipalID `json:"oid"`
	Tenant azure.GUID        `json:"tenant,omitzero"`
	Name   string            `json:"name,omitempty"`
}

// Is reports whether two are the same principal.
func (p Person) Is(o Person) bool { return p.Object == o.Object && !p.Object.IsZero() }

// Asked is what a request is about.
type Asked struct {
	Cluster azure.ID `json:"cluster"`
	Rule    string   `json:"rule,omitempty"` // of the finding that it is for; none: it is for a need
	Need    string   `json:"need,omitempty"` // the requirement that it is for
	For     Span     `json:"for"`            // how long it is needed, from when it is approved
	Grants  []Wanted `json:"grants"`
}

// Wanted is a role for a principal at a scope.
type Wanted struct {
	Role          azure.GUID        `json:"roleId"`
	RoleName      string            `json:"role"`
	Principal     azure.PrincipalID `json:"principalId"`
	PrincipalName string            `json:"principal,omitempty"`
	PrincipalType string            `json:"principalType"` // User, Group or ServicePrincipal
	Scope         azure.ID          `json:"scope"`
	Custom        *Custom           `json:"custom,omitempty"` // the role has to be made first
}

// Custom is a role of nothing but what is needed.
type Custom struct {
	Description string         `json:"description"`
	Actions     []azure.Action `json:"actions"`
	DataActions []azure.Action `json:"dataActions,omitempty"`
}

// How a role was given.
type How string

// Through PIM, active with an end or eligible to be taken up; or as a role assignment that carries a mark.
const (
	Active     How = "pim"
	Eligible   How = "pim-eligible"
	Assignment How = "assignment"
)

// Span is a length of time, as 4h0m0s.
type Span time.Duration

func (s Span) String() string { return time.Duration(s).String() }

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Span(d)
	return err
}
