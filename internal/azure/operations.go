package azure

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"sync"
)

// The operations that the resource providers of Azure list, one a line, sorted (az provider operation list, 2026).
//
//go:embed operations.txt.gz
var operationsFile []byte

// Operations are the actions and data actions that exist, sorted. They are shared: do not change them.
var Operations = sync.OnceValue(func() []Action {
	r, err := gzip.NewReader(bytes.NewReader(operationsFile))
	if err != nil {
		panic(err) // the file is part of the program
	}
	var all []Action
	for lines := bufio.NewScanner(r); lines.Scan(); {
		all = append(all, Action(lines.Text()))
	}
	return all
})
