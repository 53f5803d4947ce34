package rbac

import (
	"strings"

	"aksid/internal/azure"
)

// MatchAction reports whether a pattern of a role names the action, without case. A * stands for any text,
// slashes included; /*/ also stands for a single slash, so that X/*/y names X/y (azure-facts, finding 1).
func MatchAction(pattern string, action azure.Action) bool {
	return matchPattern(strings.ToLower(strings.TrimSpace(pattern)), action.Key())
}

func matchPattern(pattern, action string) bool {
	piece, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == action
	}
	if !strings.HasPrefix(action, piece) {
		return false
	}
	at := len(piece)
	for {
		if strings.HasSuffix(piece, "/") && strings.HasPrefix(rest, "/") {
			at-- // the two slashes of /*/ may be one
		}
		if piece, rest, wild = strings.Cut(rest, "*"); !wild {
			return len(action)-at >= len(piece) && strings.HasSuffix(action, piece)
		}
		i := strings.Index(action[at:], piece)
		if i < 0 {
			return false
		}
		at += i + len(piece)
	}
}
