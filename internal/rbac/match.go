package rbac

import (
	"strings"

	"aksid/internal/azure"
)

// MatchAction reports whether a pattern of a role names the action, without case. A * stands for any text,
// slashes included; /*/ also stands for a single slash, so that X/*/y names X/y (azure-facts, finding 1).
// Blanks around a pattern, which some of Azure's own roles have, do not count.
func MatchAction(pattern string, action azure.Action) bool {
	text := string(action)
	piece, rest, wild := strings.Cut(strings.TrimSpace(pattern), "*")
	if !wild {
		return len(piece) == len(text) && hasPrefixFold(text, piece)
	}
	if !hasPrefixFold(text, piece) {
		return false
	}
	for at := len(piece); ; {
		if strings.HasSuffix(piece, "/") && strings.HasPrefix(rest, "/") {
			at-- // the slashes on both sides of the * may be one
		}
		if piece, rest, wild = strings.Cut(rest, "*"); !wild {
			end := len(text) - len(piece)
			return end >= at && hasPrefixFold(text[end:], piece)
		}
		for ; !hasPrefixFold(text[at:], piece); at++ {
			if len(text)-at <= len(piece) {
				return false
			}
		}
		at += len(piece)
	}
}

// hasPrefixFold is strings.HasPrefix without the case of ASCII letters: actions have no others.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if a, b := s[i], prefix[i]; a != b && lower(a) != lower(b) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
