package governance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/policy"
)

// MaxFile bounds a file of definitions, in bytes. Azure takes definitions of 1 MiB.
const MaxFile = 8 << 20

// Read reads definitions: one, an array of them, or what "az policy definition list" or Resource Manager printed. Initiatives
// give their members, as far as these are in the file or built in, with the values that the initiative gives.
func Read(text []byte) ([]Definition, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d MiB", MaxFile>>20)
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if m, ok := v.(map[string]any); ok {
		v = []any{m}
		if list, ok := m["value"].([]any); ok {
			v = list
		}
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("it is neither a definition nor a list of definitions")
	}
	return readAll(list)
}

func readAll(list []any) ([]Definition, error) {
	var all []Definition
	var sets []map[string]any
	for i, v := range list {
		m, ok := v.(map[string]any)
		properties := object(m, "properties")
		if properties == nil {
			properties = m
		}
		switch {
		case !ok:
			return nil, fmt.Errorf("element %d is no definition", i)
		case properties["policyDefinitions"] != nil:
			sets = append(sets, m)
			continue
		case properties["policyRule"] == nil && properties["if"] != nil:
			return nil, fmt.Errorf("it is a rule alone; give the whole definition, with the rule as its member policyRule")
		}
		d, bad := policy.Parse(m, fmt.Sprintf("definition %d", i+1))
		if bad != nil {
			return nil, bad
		}
		all = append(all, Definition{Definition: d})
	}
	return withSets(all, sets)
}

// withSets gives definitions the values of the initiatives that they are members of, and adds the built-in ones.
func withSets(all []Definition, sets []map[string]any) ([]Definition, error) {
	for _, written := range sets {
		set, bad := policy.ParseSet(filled(written), "initiative")
		if bad != nil {
			return nil, bad
		}
		for _, m := range set.Members {
			given, err := set.Given(m, nil)
			if err != nil {
				return nil, fmt.Errorf("initiative %s, member %s: %w", set.Name, m.Reference, err)
			}
			found := false
			for i := range all {
				if all[i].Name == m.Definition.Name() {
					all[i].Given, found = given, true
				}
			}
			if b := policy.BuiltIn(m.Definition.Name()); !found && b != nil {
				all = append(all, Definition{b, given})
				found = true
			}
			if !found {
				return nil, fmt.Errorf("initiative %s has the member %s, which is neither in the file nor among the built-in definitions that aksid has", set.Name, m.Definition)
			}
		}
	}
	return all, nil
}

// filled is an initiative of an export, whose definitions are in no scope yet.
func filled(set map[string]any) map[string]any {
	text := bytes.ReplaceAll(pretty(set), []byte(scopePlaceholder), []byte(azure.SubscriptionID("00000000-0000-0000-0000-000000000000").String()))
	var out map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return set
	}
	return out
}

// groupName is what a resource group may be called (Microsoft Learn: naming rules).
var groupName = regexp.MustCompile(`^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$`)

// IsGroupName reports whether a resource group may have a name.
func IsGroupName(name string) bool { return groupName.MatchString(name) }

// OfPattern are the definitions of the pattern with the values that choices give.
func (c Choices) OfPattern() []Definition {
	var all []Definition
	for _, d := range Pattern() {
		given := policy.Values{"effect": "Audit"}
		if takesGroups(d) {
			given["allowedResourceGroups"] = texts(c.IdentityGroups)
		}
		all = append(all, Definition{d, given})
	}
	return all
}

// BuiltIns are Azure's built-in definitions, as far as aksid has them.
func BuiltIns() []Definition {
	var all []Definition
	for _, d := range policy.BuiltIns() {
		all = append(all, Definition{Definition: d})
	}
	return all
}

// Give gives a parameter the value of a text name=value, in all definitions that have it. The value is JSON, or a text.
func Give(definitions []Definition, text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("it is not name=value")
	}
	used := false
	for i, d := range definitions {
		for _, p := range d.Parameters {
			if strings.EqualFold(p.Name, name) {
				given := maps.Clone(d.Given)
				if given == nil {
					given = policy.Values{}
				}
				given[p.Name] = valueOf(value)
				definitions[i].Given, used = given, true
			}
		}
	}
	if !used {
		return fmt.Errorf("no definition has a parameter %q", name)
	}
	return nil
}

func valueOf(text string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return text
	}
	return v
}
