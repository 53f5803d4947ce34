package provider

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"strings"
	"sync"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// The operations that the resource providers of Azure list, one a line, sorted (az provider operation list, 2026).
//
//go:embed operations.txt.gz
var operationsFile []byte

// operations are the actions and data actions that exist, by lower-cased name.
var operations = sync.OnceValue(func() map[string]azure.Action {
	r, err := gzip.NewReader(bytes.NewReader(operationsFile))
	if err != nil {
		panic(err) // the file is part of the program
	}
	all := map[string]azure.Action{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		a := azure.Action(lines.Text())
		all[a.Key()] = a
	}
	return all
})

// knownAction reports whether a role's pattern matches an operation that exists.
func knownAction(pattern string) bool {
	if !strings.Contains(pattern, "*") {
		_, ok := operations()[strings.ToLower(pattern)]
		return ok
	}
	for _, a := range operations() {
		if rbac.MatchAction(pattern, a) {
			return true
		}
	}
	return false
}
