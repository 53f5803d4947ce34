package rbac

import (
	"strings"
	"time"
)

// Names of attributes (Microsoft Learn: authorization, blob, queue and container registry actions and attributes).
const (
	AttributeRoleDefinition = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
	AttributePrincipal      = "Microsoft.Authorization/roleAssignments:PrincipalId"
	AttributePrincipalType  = "Microsoft.Authorization/roleAssignments:PrincipalType"
	AttributeRepository     = "Microsoft.ContainerRegistry/registries/repositories:name"
	AttributeSubOperation   = "subOperation"  // of the request; what SubOperationMatches reads
	AttributeUTCNow         = "UtcNow"        // of the environment; the request's At unless given
	AttributePrivateLink    = "isPrivateLink" // of the environment; a bool
)

// Attributes are what conditions read, by the text that stands between the brackets of a condition. Names have no case,
// but for the key of a tag. A value is a string, bool, int, azure.GUID, time.Time or a list of them, []string or []any.
// A source that is nil is not known: what a condition compares of it is open. An attribute that is not in its source is
// missing: no comparison with it is met, not even a negated one (Microsoft Learn: the blob examples ask for NOT Exists
// beside StringNotEquals).
type Attributes struct {
	Request, Resource, Principal, Environment map[string]any
}

var (
	nothing     = map[string]any{}
	publicCalls = map[string]any{AttributePrivateLink: false}
)

// Known are the attributes of a call of which everything is known: what is not given is missing, and it came through no
// private link unless the Environment says so.
func (a Attributes) Known() Attributes {
	for _, source := range []*map[string]any{&a.Request, &a.Resource, &a.Principal} {
		if *source == nil {
			*source = nothing
		}
	}
	if a.Environment == nil {
		a.Environment = publicCalls
	}
	return a
}

// source is where an attribute comes from.
type source uint8

const (
	fromRequest source = iota
	fromResource
	fromPrincipal
	fromEnvironment
)

var sourceNames = [...]string{"Request", "Resource", "Principal", "Environment"}

// attribute is a reference to an attribute, as @Source[name].
type attribute struct {
	source source
	name   string
}

// of is the attribute's value in a request: yes with the value, no where it is missing, maybe where that is not known.
func (a attribute) of(r *Request) (any, truth) {
	m := a.among(&r.Attributes)
	if v, ok := m[a.name]; ok {
		return v, truthOf(v != nil)
	}
	for name, v := range m {
		if sameAttribute(a.name, name) {
			return v, truthOf(v != nil)
		}
	}
	if a.source == fromEnvironment && strings.EqualFold(a.name, AttributeUTCNow) {
		return now(r.At)
	}
	if m == nil {
		return nil, maybe
	}
	return nil, no
}

func now(at time.Time) (any, truth) {
	if at.IsZero() {
		return nil, maybe
	}
	return at, yes
}

func (a attribute) among(all *Attributes) map[string]any {
	switch a.source {
	case fromRequest:
		return all.Request
	case fromResource:
		return all.Resource
	case fromPrincipal:
		return all.Principal
	}
	return all.Environment
}

// keyed ends the name of a tag, whose key has a case: …/blobs/tags:Project<$key_case_sensitive$>.
const keyed = "<$key_case_sensitive$>"

func sameAttribute(a, b string) bool { return strings.EqualFold(a, b) && tagKey(a) == tagKey(b) }

func tagKey(name string) string {
	end := len(name) - len(keyed)
	if end < 0 || !strings.EqualFold(name[end:], keyed) {
		return ""
	}
	return name[strings.IndexByte(name, ':')+1 : end]
}
