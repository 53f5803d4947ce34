package rbac

import (
	"hash/maphash"
	"slices"
	"strings"

	"aksid/internal/azure"
)

var seed = maphash.MakeSeed()

// step is a scope on the way from a request's scope up to the root.
type step struct {
	hash uint64
	key  string // azure.ID.Key
}

// pathSize is the usual bound of a path: a child resource of a child resource has 14 steps, and a tenant at most six
// levels of management groups. A longer path costs an allocation.
const pathSize = 24

var root = step{0, azure.Root.Key()}

// path appends every scope that covers scope, nearest first: the whole segments of its id, the management groups that
// its subscription or management group is under, the root.
func (p *Policy) path(path []step, scope azure.ID) []step {
	if scope.IsZero() {
		return path
	}
	path = prefixes(path, scope.Key())
	slices.Reverse(path)
	if p.parents.n > 0 {
		path = p.managementGroups(path)
	}
	return append(path, root)
}

// prefixes appends the id's leading segments, shortest first; the root has none.
func prefixes(path []step, key string) []step {
	hash := uint64(0)
	for end := 0; end+1 < len(key); {
		segment := key[end+1:]
		if i := strings.IndexByte(segment, '/'); i >= 0 {
			segment = segment[:i]
		}
		end += 1 + len(segment)
		hash = (hash ^ maphash.String(seed, segment)) * 0x9e3779b97f4a7c15 // odd, so no bit is lost
		path = append(path, step{hash, key[:end]})
	}
	return path
}

// stepOf is a scope's own step.
func stepOf(scope azure.ID) step {
	if scope.Key() == root.key {
		return root
	}
	var buf [pathSize]step
	path := prefixes(buf[:0], scope.Key())
	if len(path) == 0 {
		return step{}
	}
	return path[len(path)-1]
}

// parent says which management group a subscription or management group is under.
type parent struct {
	child string // its key
	group azure.ID
	hash  uint64 // of group
}

func (p parent) same(o parent) bool { return p.child == o.child }

// managementGroups appends the management groups above a path, nearest first. A chain that runs in a circle ends.
func (p *Policy) managementGroups(path []step) []step {
	at, ok := container(path)
	for ok {
		var up parent
		if up, ok = p.parentOf(at); ok {
			at = step{up.hash, up.group.Key()}
			if ok = !slices.Contains(path, at); ok {
				path = append(path, at)
			}
		}
	}
	return path
}

// ManagementGroups are the management groups that a scope's subscription, or a management group, is under, nearest first.
func (p *Policy) ManagementGroups(scope azure.ID) []azure.ID {
	var list []azure.ID
	path := prefixes(nil, scope.Key())
	slices.Reverse(path)
	own := len(path)
	at, _ := container(path)
	for _, above := range p.managementGroups(path)[own:] {
		up, _ := p.parentOf(at)
		list = append(list, up.group)
		at = above
	}
	return list
}

// container is the subscription or management group on a path.
func container(path []step) (step, bool) {
	const groups = "/providers/microsoft.management/managementgroups/"
	for i := len(path) - 1; i >= 0; i-- {
		switch key := path[i].key; {
		case len(path)-i == 2 && strings.HasPrefix(key, "/subscriptions/"), len(path)-i == 4 && strings.HasPrefix(key, groups):
			return path[i], true
		}
	}
	return step{}, false
}

func (p *Policy) parentOf(child step) (parent, bool) {
	for _, s := range p.parents.find(child.hash) {
		if s.val.child == child.key {
			return s.val, true
		}
	}
	return parent{}, false
}
