package rbac

import (
	"strings"

	"aksid/internal/azure"
)

// MatchAction reports whether a pattern of a role names the action, without case. A * stands for any text,
// slashes included; /*/ also stands for a single slash, so that X/*/y names X/y (azure-facts, finding 1).
// Blanks around a pattern, which some of Azure's own roles have, do not count.
func MatchAction(pattern string, action azure.Action) bool {
	piece, rest, wild := strings.Cut(strings.TrimSpace(pattern), "*")
	if !wild {
		return action.Is(azure.Action(piece))
	}
	if !action.HasPrefix(piece) {
		return false
	}
	for at := len(piece); ; {
		if strings.HasSuffix(piece, "/") && strings.HasPrefix(rest, "/") {
			at-- // the slashes on both sides of the * may be one
		}
		if piece, rest, wild = strings.Cut(rest, "*"); !wild {
			end := len(action) - len(piece)
			return end >= at && action[end:].HasPrefix(piece)
		}
		for ; !action[at:].HasPrefix(piece); at++ {
			if len(action)-at <= len(piece) {
				return false
			}
		}
		at += len(piece)
	}
}
