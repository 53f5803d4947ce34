package azure

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxID bounds the length of an id in bytes. ARM's own limit for a URL is 2,083 characters; ids inside bodies are no longer.
const MaxID = 4096

// ID is an ARM id: a resource, a resource group, a subscription, a management group or the root "/".
// It keeps the spelling it was read with and compares without case, as ARM does.
// The zero value is no id at all.
type ID struct{ text, key string }

// Root is the scope "/", above every management group.
var Root = ID{"/", "/"}

// ParseID reads an id as clients write it: repeated and trailing slashes are dropped, the casing is kept.
func ParseID(s string) (ID, error) {
	if len(s) > MaxID {
		return ID{}, fmt.Errorf("id is %d bytes long, at most %d are allowed", len(s), MaxID)
	}
	if s == "" || s[0] != '/' {
		return ID{}, fmt.Errorf("id %q does not begin with /", clip(s))
	}
	if !utf8.ValidString(s) {
		return ID{}, fmt.Errorf("id %q is not UTF-8", clip(s))
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return ID{}, fmt.Errorf("id %q has control characters", clip(s))
	}
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	if s = strings.TrimSuffix(s, "/"); s == "" {
		return Root, nil
	}
	return ID{s, fold(s)}, nil
}

// fold is the form that ids are compared in. As in ARM, whose comparison is .NET's ordinal one without case, letters
// are folded one by one; one whose lower case has another length in UTF-8 (the Kelvin sign and a few more) is left
// alone, so that the form has the length of the text.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return foldRunes(s)
		}
	}
	return strings.ToLower(s)
}

func foldRunes(s string) string {
	b := []byte(s)
	for i, r := range s {
		if l := unicode.ToLower(r); l != r && utf8.RuneLen(l) == utf8.RuneLen(r) {
			utf8.EncodeRune(b[i:], l)
		}
	}
	return string(b)
}

// MustID is ParseID for constants; it panics on anything else.
func MustID(s string) ID {
	id, err := ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

// SubscriptionID is the id of a subscription.
func SubscriptionID(sub string) ID { return MustID("/subscriptions/" + sub) }

func (id ID) String() string { return id.text }

// Key is the lower-cased id, for maps and comparisons.
func (id ID) Key() string { return id.key }

// IsZero reports whether id is no id at all.
func (id ID) IsZero() bool { return id.key == "" }

// Equal compares without case.
func (id ID) Equal(other ID) bool { return id.key == other.key }

// Contains reports whether other is id or lies below it, on whole segments: rg1 does not contain rg10.
// Membership in a management group is not visible in an id, so a management group contains only itself here.
func (id ID) Contains(other ID) bool {
	if id.key == "/" {
		return other.key != ""
	}
	return id.key != "" && strings.HasPrefix(other.key, id.key) &&
		(len(other.key) == len(id.key) || other.key[len(id.key)] == '/')
}

// Join appends segments, as in sub.Join("resourceGroups", "rg1").
func (id ID) Join(segments ...string) ID {
	text := strings.TrimSuffix(id.text, "/") + "/" + strings.Join(segments, "/")
	return ID{text, fold(text)}
}

// Resource appends a provider's type and the names that go with it:
// rg.Resource("Microsoft.Network/virtualNetworks/subnets", "vnet", "snet").
func (id ID) Resource(typ string, names ...string) ID {
	parts := strings.Split(typ, "/")
	segments := []string{"providers", parts[0]}
	for i, p := range parts[1:] {
		segments = append(segments, p)
		if i < len(names) {
			segments = append(segments, names[i])
		}
	}
	return id.Join(segments...)
}

// Segments are the parts between the slashes; the root has none.
func (id ID) Segments() []string {
	if id.key == "" || id.key == "/" {
		return nil
	}
	return strings.Split(id.text[1:], "/")
}

// Subscription is the subscription's GUID text, or "" outside of subscriptions.
func (id ID) Subscription() string { return id.after("/subscriptions/", 0) }

// ResourceGroup is the resource group's name, or "" outside of resource groups.
func (id ID) ResourceGroup() string {
	if sub := id.Subscription(); sub != "" {
		return id.after("/resourcegroups/", len("/subscriptions/")+len(sub))
	}
	return ""
}

func (id ID) after(marker string, at int) string {
	if len(id.key) < at || !strings.HasPrefix(id.key[at:], marker) {
		return ""
	}
	rest := id.text[at+len(marker):]
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// GroupID is the id of the resource group that id is or lies in, or the zero ID.
func (id ID) GroupID() ID {
	if rg := id.ResourceGroup(); rg != "" {
		return SubscriptionID(id.Subscription()).Join("resourceGroups", rg)
	}
	return ID{}
}

// Types of the scopes that no provider segment names, as RBAC actions spell them.
const (
	TypeTenant          = "Microsoft.Resources/tenants"
	TypeSubscription    = "Microsoft.Resources/subscriptions"
	TypeResourceGroup   = "Microsoft.Resources/subscriptions/resourceGroups"
	TypeManagementGroup = "Microsoft.Management/managementGroups"
)

// Type is the full type in the id's own casing, as in Microsoft.Network/virtualNetworks/subnets.
// An id that ends in a provider, or in a type without a name (a collection, or an action), yields "",
// and so does the root.
func (id ID) Type() string {
	_, typ, names := id.Split()
	if len(names) > 0 && len(names) == strings.Count(typ, "/") {
		return typ
	}
	return ""
}

// Name is the last segment.
func (id ID) Name() string { return id.text[strings.LastIndexByte(id.text, '/')+1:] }

// Split takes an id apart at its last provider: the scope that it lies in, its type, and the names beside the type's parts.
// A collection's id has one name fewer than its type has parts after the provider.
func (id ID) Split() (scope ID, typ string, names []string) {
	at := strings.LastIndex(id.key, "/providers/")
	if at < 0 {
		switch s := id.Segments(); {
		case len(s) == 0 && !id.IsZero():
			return ID{}, TypeTenant, nil
		case len(s) == 2 && strings.EqualFold(s[0], "subscriptions"):
			return Root, TypeSubscription, s[1:]
		case len(s) == 4 && strings.EqualFold(s[0], "subscriptions") && strings.EqualFold(s[2], "resourceGroups"):
			return SubscriptionID(s[1]), TypeResourceGroup, []string{s[1], s[3]}
		}
		return ID{}, "", nil
	}
	scope = Root
	if at > 0 {
		scope = ID{id.text[:at], id.key[:at]}
	}
	parts := strings.Split(id.text[at+len("/providers/"):], "/")
	var b strings.Builder
	b.WriteString(parts[0])
	for i := 1; i < len(parts); i += 2 {
		b.WriteByte('/')
		b.WriteString(parts[i])
		if i+1 < len(parts) {
			names = append(names, parts[i+1])
		}
	}
	return scope, b.String(), names
}

// Parent is the scope directly above: a child's parent resource, a resource's group, a group's subscription,
// an extension's target, a collection's owner; the root above subscriptions and management groups; no id above the root.
func (id ID) Parent() ID {
	scope, typ, names := id.Split()
	switch types := strings.Count(typ, "/"); {
	case id.key == "/" || id.IsZero():
		return ID{}
	case typ == "" || types > len(names) && types > 1:
		return id.cut(1)
	case types < 2 || typ == TypeResourceGroup:
		return scope
	}
	return id.cut(2)
}

// cut is the id without its last segments.
func (id ID) cut(segments int) ID {
	at := len(id.text)
	for range segments {
		at = strings.LastIndexByte(id.text[:at], '/')
	}
	if at <= 0 {
		return Root
	}
	return ID{id.text[:at], id.key[:at]}
}

// MarshalText prints the id as it was read.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.text), nil }

// UnmarshalText reads what ParseID reads; an empty text is no id.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
