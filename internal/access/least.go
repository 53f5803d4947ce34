// Package access tells from what was done what must be allowed: the smallest roles for recorded decisions.
package access

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// Use is a recorded decision of a local Azure (aksid up --record), one JSON object a line.
type Use struct {
	Principal azure.PrincipalID `json:"principal"`
	Action    azure.Action      `json:"action"`
	Data      bool              `json:"data"`
	Scope     azure.ID          `json:"scope"`
	Outcome   string            `json:"outcome"`
	Catalogue string            `json:"-"` // the requirement that says so, of what nobody was seen to use
}

// granted is the outcome of what was allowed.
const granted = "Granted"

// maxLine bounds a line of a record, in bytes.
const maxLine = 64 << 10

// ReadUses reads a record. The error names the line.
func ReadUses(r io.Reader) ([]Use, error) {
	var out []Use
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var u Use
		err := json.Unmarshal(line, &u)
		if err == nil && (u.Action == "" || u.Scope.IsZero() || u.Principal.IsZero()) {
			err = errors.New("it is no recorded decision")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out = append(out, u)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
	}
	return out, lines.Err()
}

// Role is a custom role that allows exactly what a principal did in a scope, in the form that
// az role definition create takes.
type Role struct {
	Principal        azure.PrincipalID `json:"Principal"` // who used it, and
	Scope            azure.ID          `json:"Scope"`     // where it is to be assigned: az does not look at them
	Name             string            `json:"Name"`
	Description      string            `json:"Description"`
	Actions          []string          `json:"Actions"`
	NotActions       []string          `json:"NotActions"`
	DataActions      []string          `json:"DataActions"`
	NotDataActions   []string          `json:"NotDataActions"`
	AssignableScopes []azure.ID        `json:"AssignableScopes"`
	// Completed are those of its actions that nobody was seen to use, by the requirement that says they are needed.
	Completed map[string]string `json:"CompletedFromCatalogue,omitempty"`
}

// Least makes of uses the smallest roles: for each principal one at each place that it used, which is a single resource
// if it used no other in the resource group, else the group, else the subscription or what stands above it.
// Refused uses count where all is true: what was let pass, or tried.
func Least(uses []Use, all bool) []Role {
	used := map[azure.PrincipalID]map[string][]Use{} // by the key of the resource group, or of the scope outside of one
	for _, u := range uses {
		if u.Outcome != granted && !all {
			continue
		}
		place := u.Scope.GroupID()
		if place.IsZero() {
			place = u.Scope
		}
		if used[u.Principal] == nil {
			used[u.Principal] = map[string][]Use{}
		}
		used[u.Principal][place.Key()] = append(used[u.Principal][place.Key()], u)
	}
	var roles []Role
	for p, places := range used {
		for _, key := range slices.Sorted(maps.Keys(places)) {
			roles = append(roles, roleOf(p, places[key]))
		}
	}
	slices.SortFunc(roles, func(a, b Role) int {
		if n := strings.Compare(a.Principal.String(), b.Principal.String()); n != 0 {
			return n
		}
		return strings.Compare(a.Scope.Key(), b.Scope.Key())
	})
	return roles
}

func roleOf(p azure.PrincipalID, uses []Use) Role {
	scope := common(uses)
	r := Role{Principal: p, Scope: scope, Name: fmt.Sprintf("Used by %s at %s", p.String()[:8], scope.Name()),
		Description: fmt.Sprintf("What %s was recorded to do at %s.", p, scope), Actions: []string{}, NotActions: []string{}, DataActions: []string{}, NotDataActions: []string{}}
	seen := map[string]bool{}
	for _, u := range slices.SortedStableFunc(slices.Values(uses), seenFirst) {
		list, key := &r.Actions, u.Action.Key()
		if u.Data {
			list, key = &r.DataActions, "data "+key
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		action := accepted(u.Action)
		*list = append(*list, action)
		if u.Catalogue != "" {
			r.complete(action, u.Catalogue)
		}
	}
	slices.Sort(r.Actions)
	slices.Sort(r.DataActions)
	r.Actions, r.DataActions = slices.Compact(r.Actions), slices.Compact(r.DataActions)
	r.AssignableScopes = []azure.ID{assignable(scope)}
	return r
}

// accepted is an action as a role definition may name it. Azure refuses names that no provider lists, though it asks for some, as
// for Microsoft.Network/privateDnsZones/A/read: then the same of all types beside it, if any is listed.
func accepted(a azure.Action) string {
	verb := strings.LastIndexByte(string(a), '/')
	typ := strings.LastIndexByte(string(a[:max(verb, 0)]), '/')
	if typ < 0 || listed()[a.Key()] {
		return string(a)
	}
	before, after := strings.ToLower(string(a[:typ+1])), strings.ToLower(string(a[verb:]))
	for key := range listed() {
		if len(key) > len(before)+len(after) && strings.HasPrefix(key, before) && strings.HasSuffix(key, after) {
			return string(a[:typ+1]) + "*" + string(a[verb:])
		}
	}
	return string(a)
}

// listed are the keys of the actions that providers list.
var listed = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool, len(azure.Operations()))
	for _, a := range azure.Operations() {
		all[a.Key()] = true
	}
	return all
})

// seenFirst puts what was seen before what the catalogue says.
func seenFirst(a, b Use) int {
	return cmp.Compare(min(len(a.Catalogue), 1), min(len(b.Catalogue), 1))
}

func (r *Role) complete(action, requirement string) {
	if r.Completed == nil {
		r.Completed = map[string]string{}
		r.Description = fmt.Sprintf("What %s was seen to do at %s by the activity log, and what the catalogue adds that no activity log holds.", r.Principal, r.Scope)
	}
	r.Completed[action] = requirement
}

// common is the lowest scope above all uses; a list's scope, which ends in a provider, stands for what it was taken of.
func common(uses []Use) azure.ID {
	scope := whole(uses[0].Scope)
	for _, u := range uses[1:] {
		for at := whole(u.Scope); !scope.Contains(at); {
			scope = whole(scope.Parent())
		}
	}
	return scope
}

func whole(id azure.ID) azure.ID {
	segments := id.Segments()
	if n := len(segments); n >= 2 && strings.EqualFold(segments[n-2], "providers") {
		if parent, err := azure.ParseID("/" + strings.Join(segments[:n-2], "/")); err == nil {
			return parent
		}
	}
	return id
}

// assignable is where a custom role for a scope may be kept: a resource group or a subscription.
func assignable(scope azure.ID) azure.ID {
	if g := scope.GroupID(); !g.IsZero() {
		return g
	}
	if s := scope.Subscription(); s != "" {
		return azure.SubscriptionID(s)
	}
	return scope
}

// Commands are the az commands that make a role of a file and give it.
func (r Role) Commands(file string) []string {
	return []string{
		"az role definition create --role-definition @" + file,
		fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role %q --scope %s", r.Principal, r.Name, r.Scope),
	}
}
