package rbac

import (
	_ "embed"
	"iter"
	"sync"

	"aksid/internal/azure"
)

//go:generate sh -c "go run ./internal/genroles \"$ROLES\" builtin.bin"

//go:embed builtin.bin
var builtInTable []byte

type builtIns struct {
	roles  []Role
	byID   map[azure.GUID]*Role
	byName map[string]*Role
}

var loadBuiltIns = sync.OnceValue(func() *builtIns {
	roles, err := readRoles(builtInTable)
	if err != nil {
		panic(err) // the table is part of the program
	}
	b := &builtIns{roles, make(map[azure.GUID]*Role, len(roles)), make(map[string]*Role, len(roles))}
	for i := range roles {
		b.byID[roles[i].ID] = &roles[i]
		b.byName[nameKey(roles[i].Name)] = &roles[i]
	}
	return b
})

// BuiltInRoles are Azure's built-in roles. They are shared: do not change them.
func BuiltInRoles() iter.Seq[*Role] {
	return func(yield func(*Role) bool) {
		roles := loadBuiltIns().roles
		for i := range roles {
			if !yield(&roles[i]) {
				return
			}
		}
	}
}

// BuiltInRole finds a built-in role by its GUID, with or without dashes, or by its display name, in any case.
func BuiltInRole(nameOrGUID string) (*Role, bool) {
	b := loadBuiltIns()
	if id, err := azure.ParseGUID(nameOrGUID); err == nil {
		r, ok := b.byID[id]
		return r, ok
	}
	r, ok := b.byName[nameKey(nameOrGUID)]
	return r, ok
}
