package estate

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// pullers reads the registries that the clusters' identities hold roles on: who may pull is a sign that somebody pulls.
func (w *walk) pullers(ctx context.Context) {
	mine := map[azure.GUID]bool{}
	for key := range w.builder.clusters {
		for _, id := range (&Cluster{w.estate.resources[key]}).identities() {
			mine[id.Principal], mine[id.Client] = true, true
		}
	}
	delete(mine, azure.GUID{})
	w.mu.Lock()
	var found []azure.ID
	for _, g := range w.grants {
		if mine[g.Principal] && strings.EqualFold(g.Scope.Type(), TypeRegistry) {
			found = append(found, g.Scope)
		}
	}
	w.mu.Unlock()
	for _, id := range found {
		w.resource(ctx, id)
	}
}

// memberships finds out which groups that hold roles the clusters' identities are in. ARM's assignedTo() answers that
// for those who cannot read groups in the directory, and counts nested groups as RBAC does (facts 3.6).
func (w *walk) memberships(ctx context.Context) {
	subs, groups := w.groupGrants()
	if len(groups) == 0 {
		return
	}
	for _, id := range w.acting() {
		if !id.Known() {
			continue
		}
		w.once("groups of "+id.Principal.String(), func() {
			if err := w.assignedTo(ctx, id.Principal, subs); err != nil {
				w.unsureOf(id.Principal, groups)
				w.unreadable(ctx, "groups of "+id.Name, typeAssignment+"/read", azure.Root, err)
			}
		})
	}
}

// acting are the identities of the clusters and who creates them, service principals included: the directory has been asked for their object ids.
func (w *walk) acting() []Identity {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Identity
	for key := range w.builder.clusters {
		c := &Cluster{w.estate.resources[key]}
		all = append(all, w.estate.Identities(c)...)
		if w.Creator.IsZero() {
			all = append(all, w.estate.pipelines(c, w.wrote)...)
		}
	}
	if !w.Creator.IsZero() {
		w.estate.NameCreator(w.Creator)
		all = append(all, w.estate.creator)
	}
	return all
}

// groupGrants are the subscriptions in which groups hold roles, and those groups.
func (w *walk) groupGrants() (subs []azure.ID, groups []azure.PrincipalID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.grants {
		if !strings.EqualFold(g.PrincipalType, "Group") {
			continue
		}
		groups = append(groups, g.Principal)
		if sub := g.Scope.Subscription(); sub != "" {
			subs = append(subs, azure.SubscriptionID(sub))
		}
		for sub := range w.above[g.Scope.String()] {
			subs = append(subs, azure.SubscriptionID(sub))
		}
	}
	return distinct(subs), groups
}

func (w *walk) assignedTo(ctx context.Context, p azure.PrincipalID, subs []azure.ID) error {
	for _, sub := range subs {
		docs, _, err := w.client.list(ctx, sub, typeAssignment, "assignedTo('"+p.String()+"')")
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if holder := guidAt(doc, "properties.principalId"); holder != p && !holder.IsZero() {
				w.addMember(holder, p)
			}
		}
	}
	return nil
}

// directory asks Microsoft Graph for everyone who holds a role, may take one up or acts for a cluster.
func (w *walk) directory(ctx context.Context) {
	w.mu.Lock()
	ids := slices.Clone(w.Ask)
	if !w.Creator.IsZero() {
		ids = append(ids, w.Creator)
	}
	for _, g := range w.grants {
		ids = append(ids, g.Principal)
	}
	for _, s := range w.schedules {
		ids = append(ids, s.Grant.Principal)
	}
	ids = append(ids, w.changers()...)
	w.mu.Unlock()
	slices.SortFunc(ids, azure.GUID.Compare)
	const most = 1000 // ids in one call of getByIds (Microsoft Graph reference)
	for chunk := range slices.Chunk(slices.Compact(ids), most) {
		w.once("objects "+chunk[0].String(), func() { w.objects(ctx, chunk) })
	}
}

// changers are those who did what is in the activity log, and who made role assignments, where history is asked for.
func (w *walk) changers() (ids []azure.PrincipalID) {
	if w.History.Since.IsZero() {
		return nil
	}
	for _, v := range w.events {
		ids = append(ids, v.Principal)
	}
	for _, g := range w.grants {
		ids = append(ids, g.CreatedBy)
	}
	return slices.DeleteFunc(ids, azure.GUID.IsZero)
}

func (w *walk) objects(ctx context.Context, ids []azure.PrincipalID) {
	w.say("reading names from the directory")
	body := map[string]any{"ids": ids, "types": []string{"user", "group", "servicePrincipal"}}
	answer, err := w.client.do(ctx, w.client.graph, http.MethodPost, w.client.graphBase+"/v1.0/directoryObjects/getByIds", body)
	if err != nil {
		w.directoryUnreadable(ctx, "names in the directory", err)
		return
	}
	for _, v := range listAt(answer, "value") {
		if doc, ok := v.(map[string]any); ok {
			w.addObject(doc, "")
		}
	}
	w.answered(ids...)
}

// servicePrincipal finds the object id of a client id, with the filter that az uses.
func (w *walk) servicePrincipal(ctx context.Context, app azure.GUID) {
	target := w.client.graphBase + "/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'" + app.String() + "')"
	answer, err := w.client.do(ctx, w.client.graph, http.MethodGet, target, nil)
	if err != nil {
		w.directoryUnreadable(ctx, "the object id of service principal "+app.String(), err)
		return
	}
	found := listAt(answer, "value")
	for _, v := range found {
		if doc, ok := v.(map[string]any); ok {
			w.addObject(doc, "ServicePrincipal") // a collection of one type leaves @odata.type out
		}
	}
	if len(found) == 0 {
		w.answered(app)
	}
	w.application(ctx, app)
}

// application finds the application object of a client id, whose object id is taken for the service principal's.
func (w *walk) application(ctx context.Context, app azure.GUID) {
	answer, err := w.client.do(ctx, w.client.graph, http.MethodGet, w.client.graphBase+"/v1.0/applications?$filter=appId%20eq%20'"+app.String()+"'", nil)
	if err != nil {
		w.directoryUnreadable(ctx, "the application of service principal "+app.String(), err)
		return
	}
	for _, v := range listAt(answer, "value") {
		if doc, ok := v.(map[string]any); ok {
			w.addObject(doc, typeApplication)
		}
	}
}

func (w *walk) directoryUnreadable(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		w.incomplete(Incomplete{What: what, Why: why(err), Right: "Microsoft Graph: Application.Read.All, or the role Directory Readers"})
	}
}
