package report

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// Place is where something is written that is not in Azure yet.
type Place struct {
	File    string `json:"file"`              // of the plan or template, or of the configuration where that is at hand
	Line    int    `json:"line,omitempty"`    // from 1
	Column  int    `json:"column,omitempty"`  // from 1
	Address string `json:"address,omitempty"` // in a plan the resource's address, in a template its symbolic name or type and name
}

// String is the place as compilers print it, as in main.tf:12:1 azurerm_kubernetes_cluster.aks.
func (p Place) String() string {
	out := p.File
	for _, n := range []int{p.Line, p.Column} {
		if n == 0 {
			break
		}
		out += fmt.Sprintf(":%d", n)
	}
	return strings.TrimSpace(out + " " + p.Address)
}

// places are where a plan or template writes what a finding is about, the most telling first: the role assignments that it
// wants away or that it speaks of, then its scope and the cluster; where a need is not met, the cluster first.
func places(e *estate.Estate, cluster azure.ID, f finding.Finding) []Place {
	var ids []azure.ID
	for _, c := range f.Remedy {
		if c, ok := c.(estate.Unassign); ok {
			ids = append(ids, c.ID)
		}
	}
	if ofNeed[f.Rule.ID] {
		ids = append(ids, cluster, f.Scope)
	} else {
		for _, g := range e.Held(f.Principal) {
			if g.Scope.Equal(f.Scope) {
				ids = append(ids, g.ID)
			}
		}
		ids = append(ids, f.Scope, cluster)
	}
	var out []Place
	for _, id := range ids {
		d, ok := e.Declared(id)
		if place := (Place{d.File, d.Line, d.Column, d.Address}); ok && !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	return out
}
