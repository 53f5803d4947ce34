package estate

import (
	"context"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// Below are the resources in a scope, or those of them that were read: then complete is false.
func (e *Estate) Below(scope azure.ID) (ids []azure.ID, complete bool) {
	if ids, ok := e.below[scope.Key()]; ok {
		return ids, true
	}
	for _, key := range e.keysBelow(scope) {
		if id := e.resources[key].ID; id.Type() != azure.TypeResourceGroup {
			ids = append(ids, id)
		}
	}
	return ids, false
}

// keysBelow are the keys of resources below an id.
func (e *Estate) keysBelow(id azure.ID) []string {
	prefix := id.Key() + "/"
	first, _ := slices.BinarySearch(e.keys, prefix)
	last := first
	for last < len(e.keys) && strings.HasPrefix(e.keys[last], prefix) {
		last++
	}
	return e.keys[first:last]
}

// reach lists what is in the subscriptions and resource groups that the clusters' identities hold roles on, to tell how far
// these reach. Nothing but their ids is of interest.
func (w *walk) reach(ctx context.Context) {
	mine := map[azure.PrincipalID]bool{}
	own := map[string]bool{}
	for key := range w.builder.clusters {
		c := &Cluster{w.estate.resources[key]}
		own[c.NodeGroup().Key()] = true
		for _, id := range c.identities() {
			mine[id.Principal] = id.Known()
		}
	}
	w.mu.Lock()
	var scopes []azure.ID
	for _, g := range w.grants {
		wide := strings.EqualFold(g.Scope.Type(), azure.TypeSubscription) || strings.EqualFold(g.Scope.Type(), azure.TypeResourceGroup)
		if mine[g.Principal] && wide && !own[g.Scope.Key()] {
			scopes = append(scopes, g.Scope)
		}
	}
	w.mu.Unlock()
	for _, scope := range distinct(scopes) {
		w.once("below "+scope.Key(), func() { w.resourcesIn(ctx, scope) })
	}
}

func (w *walk) resourcesIn(ctx context.Context, scope azure.ID) {
	w.say("reading what is in %s", scope.Name())
	docs, _, err := w.client.collection(ctx, scope.Join("resources"), azure.TypeResourceGroup, "")
	if err != nil {
		w.unreadable(ctx, "the resources in "+scope.Name(), "Microsoft.Resources/subscriptions/resources/read", scope, err)
		return
	}
	ids := make([]azure.ID, 0, len(docs))
	for _, d := range docs {
		if id := linkAt(d, "id"); !id.IsZero() {
			ids = append(ids, id)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.estate.below[scope.Key()] = ids
}
