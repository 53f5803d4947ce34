package azure

import "strings"

// Action is an operation of a resource provider, as in Microsoft.Network/loadBalancers/write.
// Azure spells actions in irregular case: compare with Is. They are ASCII; what is not has no case.
type Action string

// Is compares without case.
func (a Action) Is(other Action) bool { return len(a) == len(other) && a.HasPrefix(string(other)) }

// HasPrefix is strings.HasPrefix without case.
func (a Action) HasPrefix(prefix string) bool {
	if len(a) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if x, y := a[i], prefix[i]; x != y && lower(x) != lower(y) {
			return false
		}
	}
	return true
}

// Key is the lower-cased action, for maps.
func (a Action) Key() string {
	for i := range len(a) {
		if a[i] != lower(a[i]) {
			b := []byte(a)
			for i, c := range b {
				b[i] = lower(c)
			}
			return string(b)
		}
	}
	return string(a)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

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
