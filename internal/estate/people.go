package estate

import (
	"context"
	"net/http"
	"slices"

	"aksid/internal/azure"
)

// Members are the direct members of a group as far as they were read, by object id. known says that all of them are.
func (e *Estate) Members(group azure.PrincipalID) (members []azure.PrincipalID, known bool) {
	return e.members[group], e.people[group]
}

// Owners are the owners of a group, or of a service principal and its application, by object id: they may put
// somebody into the group, or a secret on the application (Microsoft Graph: group, application, owners).
// known says that all of them were read.
func (e *Estate) Owners(p azure.PrincipalID) (owners []azure.PrincipalID, known bool) {
	return e.owners[p], e.people[p]
}

// who reads the members and owners of the groups and service principals that hold roles, or may take them up, and of
// the groups in them.
func (w *walk) who(ctx context.Context) {
	w.mu.Lock()
	var holders []azure.PrincipalID
	for _, g := range w.grants {
		holders = append(holders, g.Principal)
	}
	for _, s := range w.schedules {
		holders = append(holders, s.Grant.Principal)
	}
	w.mu.Unlock()
	for _, p := range holders {
		w.whoIs(ctx, p)
	}
}

func (w *walk) whoIs(ctx context.Context, p azure.PrincipalID) {
	w.mu.Lock()
	o, ok := w.estate.objects[p]
	w.mu.Unlock()
	switch {
	case !ok || !o.Managed.IsZero(): // a managed identity has no secrets that an owner could add
	case o.Type == "Group":
		w.once("who "+p.String(), func() { w.group(ctx, o) })
	case o.Type == "ServicePrincipal":
		w.once("who "+p.String(), func() { w.clientOf(ctx, o) })
	}
}

// group reads a group's members and owners, and those of the groups in it.
func (w *walk) group(ctx context.Context, o Object) {
	w.say("reading who is in group %s", o.Name)
	members, err := w.related(ctx, "groups/"+o.ID.String()+"/members")
	for _, m := range members {
		w.addMember(o.ID, m)
	}
	if err == nil {
		err = w.ownersFrom(ctx, o.ID, "groups/"+o.ID.String()+"/owners")
	}
	w.readWho(ctx, "who is in group "+o.Name, o.ID, err)
	for _, m := range members {
		w.whoIs(ctx, m)
	}
}

// clientOf reads the owners of a service principal and of its application. An application of another tenant is not here.
func (w *walk) clientOf(ctx context.Context, o Object) {
	err := w.ownersFrom(ctx, o.ID, "servicePrincipals/"+o.ID.String()+"/owners")
	if err == nil && !o.App.IsZero() {
		err = w.ownersFrom(ctx, o.ID, "applications(appId='"+o.App.String()+"')/owners")
		if isStatus(err, http.StatusNotFound) {
			err = nil
		}
	}
	w.readWho(ctx, "who owns service principal "+o.Name, o.ID, err)
}

// readWho notes that everyone around a principal is known, or why not.
func (w *walk) readWho(ctx context.Context, what string, p azure.PrincipalID, err error) {
	if err != nil {
		w.directoryUnreadable(ctx, what, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.estate.people[p] = true
}

func (w *walk) ownersFrom(ctx context.Context, p azure.PrincipalID, path string) error {
	owners, err := w.related(ctx, path)
	for _, o := range owners {
		w.addOwner(p, o)
	}
	return err
}

// related reads the objects at the other end of a relation, and keeps them.
func (w *walk) related(ctx context.Context, path string) (ids []azure.PrincipalID, err error) {
	const most = "999" // objects on a page (Microsoft Graph reference: group, list members)
	docs, err := w.client.graphPages(ctx, w.client.graphBase+"/v1.0/"+path+"?$top="+most)
	for _, doc := range docs {
		w.addObject(doc, "")
		ids = append(ids, guidAt(doc, "id"))
	}
	return ids, err
}

// graphPages reads all pages of a collection of Microsoft Graph.
func (c *client) graphPages(ctx context.Context, next string) ([]map[string]any, error) {
	return c.follow(ctx, c.graph, next, c.graphBase, "@odata.nextLink")
}

func (b *builder) addOwner(object, owner azure.PrincipalID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.estate.owners[object], owner) {
		b.estate.owners[object] = append(b.estate.owners[object], owner)
	}
}

// settlePeople sorts who is around whom.
func (b *builder) settlePeople() {
	e := b.estate
	e.members = map[azure.PrincipalID][]azure.PrincipalID{}
	for m := range b.members {
		e.members[m[0]] = append(e.members[m[0]], m[1])
	}
	for _, all := range []map[azure.PrincipalID][]azure.PrincipalID{e.members, e.owners} {
		for _, list := range all {
			slices.SortFunc(list, azure.GUID.Compare)
		}
	}
}
