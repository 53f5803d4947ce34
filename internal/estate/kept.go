package estate

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// Kept are the documents of some types as they came, each once, by id. The source must have been told to keep what it reads.
func (e *Estate) Kept(types ...string) iter.Seq[Resource] {
	found := map[string]Resource{}
	if e.kept != nil {
		for _, d := range e.kept.Documents {
			id := linkAt(d.Document, "id")
			if slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, id.Type()) }) {
				found[id.Key()] = Resource{ID: id, Version: d.Version, Doc: d.Document}
			}
		}
	}
	return func(yield func(Resource) bool) {
		for _, key := range slices.Sorted(maps.Keys(found)) {
			if !yield(found[key]) {
				return
			}
		}
	}
}

// Types of documents about rights, as Kept has them.
const (
	TypeAssignment = typeAssignment
	TypeDefinition = typeDefinition
	TypeDeny       = typeDeny
	TypeEligible   = typeEligible
	TypeActive     = typeActive
)

// Objects are the objects of the directory that are known, by their object ids.
func (e *Estate) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		ids := slices.SortedFunc(maps.Keys(e.objects), azure.GUID.Compare)
		for _, id := range ids {
			if !yield(e.objects[id]) {
				return
			}
		}
	}
}

// Renamed is the estate with other display names for the objects of its directory.
func (e *Estate) Renamed(name func(Object) string) *Estate {
	next := *e
	next.objects = map[azure.PrincipalID]Object{}
	for id, o := range e.objects {
		o.Name = name(o)
		next.objects[id] = o
	}
	next.byApp = map[azure.GUID]Object{}
	for app, o := range e.byApp {
		o.Name = name(o)
		next.byApp[app] = o
	}
	return &next
}
