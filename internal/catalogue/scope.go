package catalogue

import (
	"slices"
	"strings"

	"aksid/internal/azure"
)

// On is what an action of the need is performed on, and so decided on: the scope, or where that is a resource group, some
// resource of the action's type in it. A deny assignment that is not for what lies below the group does not matter there.
func (n Need) On(action azure.Action) azure.ID {
	if !strings.EqualFold(n.Scope.Type(), azure.TypeResourceGroup) || strings.EqualFold(action.Type(), azure.TypeResourceGroup) {
		return n.Scope
	}
	typ := action.Type()
	return n.Scope.Resource(typ, slices.Repeat([]string{"any"}, strings.Count(typ, "/"))...)
}
