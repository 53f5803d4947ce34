package azure

import "strings"

// Action is an operation of a resource provider, as in Microsoft.Network/loadBalancers/write.
// Azure spells actions in irregular case: compare with Is.
type Action string

// Is compares without case.
func (a Action) Is(other Action) bool { return strings.EqualFold(string(a), string(other)) }

// Key is the lower-cased action, for maps.
func (a Action) Key() string { return strings.ToLower(string(a)) }

// Type is the resource type the action is about: what stands before its last verb.
func (a Action) Type() string {
	s := string(a)
	if len(s) > len("/action") && strings.EqualFold(s[len(s)-len("/action"):], "/action") {
		s = s[:len(s)-len("/action")]
	}
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[:i]
	}
	return s
}
