package estate

import (
	"strings"

	"aksid/internal/azure"
)

// Resource is one document of ARM, kept as it came, so that every source is read by the same code.
// Its readers answer the zero value for what is absent or of another type.
type Resource struct {
	ID      azure.ID
	Version string         // api-version it was read with; "" where the source does not say
	Doc     map[string]any // numbers are json.Number
}

// Text reads a string at a dotted path, as in properties.networkProfile.outboundType.
func (r Resource) Text(path string) string { return textAt(r.Doc, path) }

// At is what stands at a dotted path; nil where there is nothing.
func (r Resource) At(path string) any { return at(r.Doc, path) }

// Link reads an id at a dotted path; what is no id is the zero ID.
func (r Resource) Link(path string) azure.ID { return linkAt(r.Doc, path) }

// Links reads the ids at a dotted path inside each element of the array at another.
func (r Resource) Links(list, path string) []azure.ID { return linksAt(r.Doc, list, path) }

// List reads an array at a dotted path.
func (r Resource) List(path string) []any { return listAt(r.Doc, path) }

// Flag reads a boolean at a dotted path.
func (r Resource) Flag(path string) bool { b, _ := at(r.Doc, path).(bool); return b }

// at walks maps by a dotted path. Keys are compared without case where no key fits exactly:
// add-on names and az's renderings of ARM names (vnetSubnetId for vnetSubnetID) vary.
func at(v any, path string) any {
	for path != "" {
		key, rest, _ := strings.Cut(path, ".")
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v, path = field(m, key), rest
	}
	return v
}

func field(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

func textAt(v any, path string) string { s, _ := at(v, path).(string); return s }

func listAt(v any, path string) []any { l, _ := at(v, path).([]any); return l }

func mapAt(v any, path string) map[string]any { m, _ := at(v, path).(map[string]any); return m }

func linkAt(v any, path string) azure.ID {
	id, err := azure.ParseID(textAt(v, path))
	if err != nil {
		return azure.ID{}
	}
	return id
}

func guidAt(v any, path string) azure.GUID {
	g, err := azure.ParseGUID(textAt(v, path))
	if err != nil {
		return azure.GUID{}
	}
	return g
}

func textsAt(v any, path string) []string {
	var out []string
	for _, x := range listAt(v, path) {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// linksAt reads the ids at path inside each element of the array at list.
func linksAt(v any, list, path string) []azure.ID {
	var out []azure.ID
	for _, x := range listAt(v, list) {
		if id := linkAt(x, path); !id.IsZero() {
			out = append(out, id)
		}
	}
	return out
}

// Texts reads the strings at a dotted path inside each element of the array at another.
func (r Resource) Texts(list, path string) []string {
	var out []string
	for _, x := range listAt(r.Doc, list) {
		if s := textAt(x, path); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Has reports whether there is something at a dotted path.
func (r Resource) Has(path string) bool { return at(r.Doc, path) != nil }

// ownerTags are the names of tags that say whose a resource is, in lower case.
var ownerTags = []string{"owner", "owners", "team", "contact", "serviceowner"}

// Owner is whose a resource is by its tags, "" where none says.
func (r Resource) Owner() string {
	tags := mapAt(r.Doc, "tags")
	for _, name := range ownerTags {
		for k, v := range tags {
			if s, _ := v.(string); s != "" && strings.EqualFold(k, name) {
				return s
			}
		}
	}
	return ""
}

// Tag is the value of a tag; its name counts without case.
func (r Resource) Tag(name string) (string, bool) {
	v, ok := field(mapAt(r.Doc, "tags"), name).(string)
	return v, ok && name != ""
}
