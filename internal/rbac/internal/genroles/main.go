// Command genroles turns Azure's built-in role definitions, as `az role definition list` or the ARM API print them,
// into the table that package rbac embeds: genroles INPUT.json OUTPUT.bin
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

type definition struct {
	Name        azure.GUID        `json:"name"`
	RoleName    string            `json:"roleName"`
	Permissions []rbac.Permission `json:"permissions"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: genroles INPUT.json OUTPUT.bin")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "genroles:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	text, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	roles, err := parse(text)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := rbac.WriteRoles(f, roles); err != nil {
		return err
	}
	return f.Close()
}

// parse reads the definitions and sorts them by name, so that the table is the same whatever the input's order.
func parse(text []byte) ([]rbac.Role, error) {
	var defs []definition
	if err := json.Unmarshal(text, &defs); err != nil {
		return nil, err
	}
	var roles []rbac.Role
	seen := map[azure.GUID]bool{}
	for _, d := range defs {
		if d.Name.IsZero() || d.RoleName == "" || seen[d.Name] {
			return nil, fmt.Errorf("role %s %q has no GUID, no name, or is there twice", d.Name, d.RoleName)
		}
		seen[d.Name] = true
		roles = append(roles, rbac.Role{ID: d.Name, Name: d.RoleName, Permissions: d.Permissions})
	}
	slices.SortFunc(roles, func(a, b rbac.Role) int { return cmp.Compare(a.Name, b.Name) })
	return roles, nil
}
