package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// builtinJSON has Azure's built-in definitions; its member source says where they are from.
//
//go:embed builtin.json
var builtinJSON []byte

// BuiltIns are Azure's built-in definitions about clusters, identities, registries, roles, vaults, tags and locations, by
// their ids on Azure, in the order of categories and names.
var BuiltIns = sync.OnceValue(func() []*Definition {
	var file struct {
		Definitions []map[string]any `json:"definitions"`
	}
	d := json.NewDecoder(bytes.NewReader(builtinJSON))
	d.UseNumber()
	if err := d.Decode(&file); err != nil {
		panic(fmt.Sprintf("the built-in policy definitions: %v", err)) // a part of the program
	}
	var all []*Definition
	for _, written := range file.Definitions {
		definition, err := Parse(builtinDocument(written), "")
		if err != nil {
			panic(fmt.Sprintf("the built-in policy definition %v: %v", written["name"], err))
		}
		all = append(all, definition)
	}
	return all
})

// builtinDocument is a definition as Resource Manager prints it.
func builtinDocument(written map[string]any) map[string]any {
	name := textAt(written, "name")
	return map[string]any{"id": azure.Root.Resource(TypeDefinition, name).String(), "name": name, "type": TypeDefinition, "properties": map[string]any{
		"displayName": written["displayName"], "description": written["description"], "policyType": "BuiltIn", "mode": written["mode"],
		"metadata": map[string]any{"category": written["category"], "version": written["version"]}, "version": written["version"],
		"parameters": written["parameters"], "policyRule": written["policyRule"]}}
}

// BuiltIn is the built-in definition of a name, which is a GUID; nil if there is none.
func BuiltIn(name string) *Definition {
	all := BuiltIns()
	if i := slices.IndexFunc(all, func(d *Definition) bool { return strings.EqualFold(d.Name, name) }); i >= 0 {
		return all[i]
	}
	return nil
}
