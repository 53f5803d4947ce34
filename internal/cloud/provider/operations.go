package provider

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// operationList are the actions and data actions that exist, by provider.
var operationList = sync.OnceValue(func() []azure.Action {
	all := slices.Clone(azure.Operations())
	slices.SortStableFunc(all, func(a, b azure.Action) int {
		return strings.Compare(lower(providerOf(a)), lower(providerOf(b)))
	})
	return all
})

// operations are the same, by lower-cased name.
var operations = sync.OnceValue(func() map[string]azure.Action {
	all := make(map[string]azure.Action, len(operationList()))
	for _, a := range operationList() {
		all[a.Key()] = a
	}
	return all
})

func providerOf(a azure.Action) string { ns, _, _ := strings.Cut(string(a), "/"); return ns }

// operationsByProvider yields each provider's operations.
func operationsByProvider() iter.Seq2[string, []azure.Action] {
	return func(yield func(string, []azure.Action) bool) {
		for rest := operationList(); len(rest) > 0; {
			ns, n := providerOf(rest[0]), 1
			for n < len(rest) && strings.EqualFold(providerOf(rest[n]), ns) {
				n++
			}
			if !yield(ns, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// isDataAction reports whether a built-in role names the operation as a data action: the list of operations does not say.
func isDataAction(a azure.Action) bool { return dataActions()[a.Key()] }

var dataActions = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for r := range rbac.BuiltInRoles() {
		for _, p := range r.Permissions {
			for _, a := range slices.Concat(p.DataActions, p.NotDataActions) {
				all[azure.Action(a).Key()] = true
			}
		}
	}
	return all
})

// knownAction reports whether a role's pattern matches an operation that exists.
func knownAction(pattern string) bool {
	if !strings.Contains(pattern, "*") {
		_, ok := operations()[strings.ToLower(pattern)]
		return ok
	}
	for _, a := range operationList() {
		if rbac.MatchAction(pattern, a) {
			return true
		}
	}
	return false
}
