package rbac

import (
	"regexp"

	"aksid/internal/azure"
)

// truth is a three-valued answer.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

var actionMatches = regexp.MustCompile(`(?i)ActionMatches\s*\{\s*'([^']*)'\s*\}`)

func evalCondition(text string, action azure.Action) truth {
	if text == "" {
		return yes
	}
	named := actionMatches.FindAllStringSubmatch(text, -1)
	for _, m := range named {
		if MatchAction(m[1], action) {
			return maybe
		}
	}
	if len(named) == 0 {
		return maybe
	}
	return yes
}
