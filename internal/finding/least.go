package finding

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// tooWide is how many actions that change something a role may grant, where it is assigned, beside those that are needed.
// With more a role of its own is proposed: on a resource the roles that Azure has stay below, on a resource group far above.
const tooWide = 100

// handful is how many such actions do not matter: then the role that documents name is taken.
const handful = 5

// least are the changes that meet a need with the least besides: the built-in role that documents name for it, or a narrow one
// that grants clearly less; if both are far too wide, a custom role of nothing but what is needed.
// On the node resource group it is the role that AKS gives itself.
func (p *Pass) least(a *Assessment) []estate.Change {
	give := a.assign()
	role, extra := leastRole(a.Need)
	if role == nil || a.Need.Scope.Equal(p.Cluster.NodeGroup()) || a.Need.Scope.Subscription() == "" {
		return []estate.Change{give}
	}
	if extra <= tooWide {
		give.Role = role.Name
		return []estate.Change{give}
	}
	custom := customRole(a)
	give.Role = custom.Name
	return []estate.Change{custom, give}
}

// customRole is a role of nothing but a need. Its name and id follow from what it grants and where.
func customRole(a *Assessment) estate.DefineRole {
	sub := azure.SubscriptionID(a.Need.Scope.Subscription())
	parts := []string{sub.Key()}
	for _, x := range slices.Concat(a.Need.Actions, a.Need.DataActions) {
		parts = append(parts, x.Key())
	}
	return estate.DefineRole{
		ID: azure.NamedGUID(parts...), Name: fmt.Sprintf("aksid %s %.8s", a.Requirement.ID, sub.Subscription()),
		Description: "What the " + a.Identity.Label() + " identity of an AKS cluster needs for: " + a.Requirement.Feature,
		Actions:     a.Need.Actions, DataActions: a.Need.DataActions, Scope: sub,
	}
}

// leastRole is the built-in role that meets a need with the fewest other actions, first of those that change something,
// then of those that read, and how many of the former. The role that documents name for it comes first.
func leastRole(need catalogue.Need) (best *rbac.Role, extra int) {
	reads := 0
	for _, name := range append([]string{need.Role}, catalogue.Roles()...) {
		role, ok := rbac.BuiltInRole(name)
		if !ok || !grantsAll(role, need) {
			continue
		}
		g, _ := grantedAt(role, need.Scope.Type())
		changing := g.changing - countChanging(need)
		if best == nil || changing < extra || changing == extra && g.reading < reads {
			best, extra, reads = role, changing, g.reading
		}
		if name == need.Role && extra <= handful {
			break
		}
	}
	return best, extra
}

func grantsAll(role *rbac.Role, need catalogue.Need) bool {
	for _, a := range need.Actions {
		if !role.Grants(a, false) {
			return false
		}
	}
	for _, a := range need.DataActions {
		if !role.Grants(a, true) {
			return false
		}
	}
	return true
}

func countChanging(need catalogue.Need) int {
	n := len(need.DataActions)
	for _, a := range need.Actions {
		if !reads(a) {
			n++
		}
	}
	return n
}

func reads(a azure.Action) bool { return strings.HasSuffix(a.Key(), "/read") }

// granted are the actions that a role grants on resources of a type and what is in them.
type granted struct {
	changing, reading int
	creates           []string // types, in lower case
}

type grantedKey struct {
	role uint64 // of what the role says: two with the same id may differ, in two estates
	typ  string
}

// grantedCache remembers granted: a role is counted against all operations of Azure, and fleets hold the same few ones.
var grantedCache = struct {
	sync.Mutex
	byKey map[grantedKey]granted
}{byKey: map[grantedKey]granted{}}

const (
	maxGranted  = 4096 // entries of the cache
	maxPatterns = 5000 // of a role that is counted: Azure's own have some hundreds
)

// grantedAt counts what a role grants on resources of a type; on scopes that hold resources of any type, of all types. It is
// false for a role of more actions than can be counted in good time.
func grantedAt(role *rbac.Role, typ string) (granted, bool) {
	key, n := grantedKey{0, strings.ToLower(typ)}, 0
	h := fnv.New64a()
	for _, p := range role.Permissions {
		for _, list := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
			n += len(list)
			for _, a := range list {
				h.Write([]byte(a))
				h.Write([]byte{0})
			}
			h.Write([]byte{1})
		}
	}
	if n > maxPatterns {
		return granted{}, false
	}
	key.role = h.Sum64()
	grantedCache.Lock()
	g, ok := grantedCache.byKey[key]
	grantedCache.Unlock()
	if ok {
		return g, true
	}
	g = countGranted(role, key.typ)
	grantedCache.Lock()
	defer grantedCache.Unlock()
	if len(grantedCache.byKey) >= maxGranted {
		clear(grantedCache.byKey)
	}
	grantedCache.byKey[key] = g
	return g, true
}

// holders are the types of scopes that hold resources of any type.
var holders = map[string]bool{
	strings.ToLower(azure.TypeResourceGroup): true, strings.ToLower(azure.TypeSubscription): true,
	strings.ToLower(azure.TypeManagementGroup): true, strings.ToLower(azure.TypeTenant): true,
}

func countGranted(role *rbac.Role, typ string) granted {
	var g granted
	for _, a := range azure.Operations() {
		of := strings.ToLower(a.Type())
		if !holders[typ] && of != typ && !strings.HasPrefix(of, typ+"/") {
			continue
		}
		control, data := role.Grants(a, false), role.Grants(a, true)
		switch {
		case control && reads(a):
			g.reading++
		case control || data:
			g.changing++
		}
		if control && a.Key() == of+"/write" {
			g.creates = append(g.creates, of)
		}
	}
	return g
}

// Least are the changes that meet a need with the least besides, whether it is met or not.
func Least(e *estate.Estate, c *estate.Cluster, a *Assessment) []estate.Change {
	return (&Pass{Estate: e, Cluster: c}).least(a)
}
