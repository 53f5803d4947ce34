package entra

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

const (
	defaultPage = 100
	maxPage     = 999
	maxIDs      = 1000 // of getByIds (Microsoft Learn: directoryObject: getByIds)
)

// me is the signed-in user; an application has none.
func (c *graphCall) me() (any, *azure.Error) {
	if c.caller.Type != directory.User {
		return nil, azure.GraphDelegatedOnly.Error()
	}
	return c.single(entry{kind: kindOf(c.caller), p: c.caller}), nil
}

// ownedObjects are what the caller owns.
func (c *graphCall) ownedObjects() (any, *azure.Error) {
	if c.caller.Type != directory.User {
		return nil, azure.GraphDelegatedOnly.Error()
	}
	var ids []azure.GUID
	for o, err := range directory.Owned(c.tx, c.caller.ID) {
		if err != nil {
			return nil, c.failed(err, c.caller.ID.String())
		}
		ids = append(ids, o.Object)
	}
	return c.objects(ids)
}

func (c *graphCall) organization() (any, *azure.Error) {
	return c.collection("organization", []object{{"id": c.Tenant.String(), "displayName": directory.TenantName, "tenantType": "AAD"}}), nil
}

func (c *graphCall) collection(context string, value []object) object {
	return object{"@odata.context": c.context(context), "value": value}
}

func (c *graphCall) single(e entry) object {
	o := c.show(e)
	o["@odata.context"] = c.context(e.kind.set + "/$entity")
	return o
}

// typed is an object among objects of several kinds.
func (c *graphCall) typed(e entry) object {
	o := c.show(e)
	o["@odata.type"] = "#microsoft.graph." + e.kind.name
	return o
}

func (c *graphCall) get() (any, *azure.Error) {
	e, err := c.lookup(c.kind, c.id)
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	o := c.show(e)
	context := e.kind.set
	if c.kind == directoryObjects {
		o, context = c.typed(e), "directoryObjects"
	}
	names, refused := c.selected(e.kind, o)
	if refused != nil {
		return nil, refused
	}
	if names != nil {
		context += "(" + strings.Join(names, ",") + ")"
	}
	o = project(o, names)
	o["@odata.context"] = c.context(context + "/$entity")
	return o, nil
}

// selected are the properties of $select in the object's spelling, nil for all.
func (c *graphCall) selected(k *graphKind, o object) ([]string, *azure.Error) {
	list := c.query.Get("$select")
	if list == "" {
		return nil, nil
	}
	var names []string
	known := slices.Sorted(maps.Keys(o))
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if i < 0 {
			return nil, azure.GraphUnknownProperty.Format(azure.Fields{"property": name, "type": k.name})
		}
		names = append(names, known[i])
	}
	return names, nil
}

func project(o object, names []string) object {
	if names == nil {
		return o
	}
	selected := object{}
	for _, n := range names {
		selected[n] = o[n]
	}
	return selected
}

// listing is what a list request asks for.
type listing struct {
	filter filter // nil: all
	top    int
	after  azure.GUID // the last object of the page before
	count  bool
}

func (c *graphCall) list() (any, *azure.Error) {
	if c.kind == directoryObjects {
		return nil, azure.GraphMethodNotAllowed.Error()
	}
	l, refused := c.listing()
	if refused != nil {
		return nil, refused
	}
	page, total, more, err := c.page(l)
	if err != nil {
		return nil, c.failed(err, c.kind.set)
	}
	context := c.kind.set
	names, refused := c.selected(c.kind, c.show(entry{kind: c.kind}))
	if refused != nil {
		return nil, refused
	}
	if names != nil {
		context += "(" + strings.Join(names, ",") + ")"
	}
	value := []object{}
	for _, e := range page {
		value = append(value, project(c.show(e), names))
	}
	answer := c.collection(context, value)
	if l.count {
		answer["@odata.count"] = total
	}
	if more {
		next := maps.Clone(c.query)
		next.Set("$skiptoken", page[len(page)-1].id().String())
		answer["@odata.nextLink"] = c.root + "/" + c.path + "?" + next.Encode()
	}
	return answer, nil
}

// listing reads the query options. Those that are not served are refused: an answer without them would be another.
func (c *graphCall) listing() (l listing, refused *azure.Error) {
	l.top = defaultPage
	for _, option := range slices.Sorted(maps.Keys(c.query)) {
		value := c.query.Get(option)
		switch option {
		case "$filter":
			l.filter, refused = c.parseFilter(value)
		case "$top":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxPage {
				refused = azure.GraphPageSize.Format(azure.Fields{"size": value})
			}
			l.top = n
		case "$skiptoken":
			id, err := azure.ParseGUID(value)
			if err != nil {
				refused = azure.GraphPageToken.Error()
			}
			l.after = id
		case "$count":
			l.count = strings.EqualFold(value, "true")
		case "$orderby":
			refused = azure.GraphSortUnsupported.Error()
		default:
			if strings.HasPrefix(option, "$") && option != "$select" && option != "$format" {
				refused = azure.GraphOptionUnsupported.Format(azure.Fields{"option": option})
			}
		}
		if refused != nil {
			return l, refused
		}
	}
	return l, nil
}

func (c *graphCall) parseFilter(text string) (filter, *azure.Error) {
	f, err := parseFilter(text, c.kind.filters)
	var property unsupported
	switch {
	case errors.As(err, &property):
		return nil, azure.GraphFilterUnsupported.Format(azure.Fields{"property": property.property, "resource": c.kind.resource()})
	case err != nil:
		return nil, azure.GraphFilterInvalid.Format(azure.Fields{"cause": err.Error()})
	}
	return f, nil
}

// page collects the objects of one page, and counts all where that was asked for.
func (c *graphCall) page(l listing) (page []entry, total int, more bool, err error) {
	for e, err := range c.candidates(l) {
		if err != nil {
			return nil, 0, false, err
		}
		if l.filter != nil && !l.filter.match(c.show(e)) {
			continue
		}
		total++
		if len(page) < l.top {
			page = append(page, e)
		} else if more = true; !l.count {
			break
		}
	}
	return page, total, more, nil
}

// candidates are the objects that can match: one at most where the filter pins a unique property.
func (c *graphCall) candidates(l listing) iter.Seq2[entry, error] {
	for property, key := range map[string]string{
		"id": "id", "appId": "appId", "servicePrincipalNames": "appId", "userPrincipalName": "userPrincipalName"} {
		if value, ok := pinned(l.filter, property); ok {
			return func(yield func(entry, error) bool) {
				e, err := c.byKey(c.kind, key, value)
				if !errors.Is(err, store.ErrNotFound) {
					yield(e, err)
				}
			}
		}
	}
	return c.all(c.kind, l.after)
}

func (c *graphCall) getByIDs() (any, *azure.Error) {
	ask, refused := decodeBody[struct {
		IDs   []string
		Types []string
	}](c)
	switch {
	case refused != nil:
		return nil, refused
	case len(ask.IDs) == 0:
		return nil, c.required("ids")
	case len(ask.IDs) > maxIDs:
		return nil, c.invalid("ids")
	}
	value := []object{}
	for _, text := range ask.IDs {
		id, err := azure.ParseGUID(text)
		if err != nil {
			return nil, azure.GraphInvalidID.Format(azure.Fields{"id": text})
		}
		e, err := c.byID(directoryObjects, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, c.failed(err, text)
		case wanted(ask.Types, e.kind.name):
			value = append(value, c.typed(e))
		}
	}
	return c.collection("directoryObjects", value), nil
}

// wanted reports whether a kind is among the asked types; none or directoryObject means all.
func wanted(types []string, name string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool {
		return strings.EqualFold(t, name) || strings.EqualFold(t, "directoryObject")
	})
}

// subject is the principal whose memberships are asked for.
func (c *graphCall) subject() (directory.Principal, *azure.Error) {
	e, err := c.lookup(c.kind, c.id)
	if err == nil && e.kind == applications {
		err = store.ErrNotFound
	}
	if err != nil {
		return e.p, c.failed(err, c.id)
	}
	return e.p, nil
}

func (c *graphCall) memberOf() (any, *azure.Error) {
	p, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	groups, err := c.groupsOf(p.ID)
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	return c.objects(groups)
}

func (c *graphCall) transitiveMemberOf() (any, *azure.Error) {
	p, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	groups, err := directory.GroupsOf(c.tx, p.ID)
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	return c.objects(groups)
}

// groupsOf are the groups that a principal is in itself.
func (c *graphCall) groupsOf(id azure.PrincipalID) (groups []azure.PrincipalID, err error) {
	for m, err := range directory.MemberOf(c.tx, id) {
		if err != nil {
			return nil, err
		}
		if !m.Ended() {
			groups = append(groups, m.Group)
		}
	}
	return groups, nil
}

func (c *graphCall) members() (any, *azure.Error) {
	group, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	var ids []azure.PrincipalID
	for m, err := range directory.Members(c.tx, group.ID) {
		if err != nil {
			return nil, c.failed(err, c.id)
		}
		if !m.Ended() {
			ids = append(ids, m.Member)
		}
	}
	return c.objects(ids)
}

func (c *graphCall) owners() (any, *azure.Error) {
	id, refused := c.ownable()
	if refused != nil {
		return nil, refused
	}
	var ids []azure.PrincipalID
	for o, err := range directory.Owners(c.tx, id) {
		if err != nil {
			return nil, c.failed(err, c.id)
		}
		ids = append(ids, o.Owner)
	}
	return c.objects(ids)
}

// ownable is the object of the path, if it is of a kind that has owners.
func (c *graphCall) ownable() (azure.GUID, *azure.Error) {
	if c.kind.principal == directory.User || c.kind == directoryObjects {
		return azure.GUID{}, azure.GraphSegmentNotFound.Format(azure.Fields{"segment": "owners"})
	}
	e, err := c.lookup(c.kind, c.id)
	if err != nil {
		return azure.GUID{}, c.failed(err, c.id)
	}
	return e.id(), nil
}

// objects shows those of the ids that exist.
func (c *graphCall) objects(ids []azure.PrincipalID) (any, *azure.Error) {
	value := []object{}
	for _, id := range ids {
		e, err := c.byID(directoryObjects, id)
		if err == nil {
			value = append(value, c.typed(e))
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, c.failed(err, id.String())
		}
	}
	return c.collection("directoryObjects", value), nil
}

// getMemberGroups are the ids of all groups a principal is in, also through other groups.
func (c *graphCall) getMemberGroups() (any, *azure.Error) {
	if _, refused := decodeBody[struct{ SecurityEnabledOnly bool }](c); refused != nil {
		return nil, refused
	}
	return c.groupIDs(func(string) bool { return true })
}

// checkMemberGroups are those of the given groups that a principal is in.
func (c *graphCall) checkMemberGroups() (any, *azure.Error) {
	ask, refused := decodeBody[struct{ GroupIDs []string }](c)
	if refused != nil {
		return nil, refused
	}
	return c.groupIDs(func(id string) bool {
		return slices.ContainsFunc(ask.GroupIDs, func(g string) bool { return strings.EqualFold(g, id) })
	})
}

func (c *graphCall) groupIDs(keep func(id string) bool) (any, *azure.Error) {
	p, refused := c.subject()
	if refused != nil {
		return nil, refused
	}
	groups, err := directory.GroupsOf(c.tx, p.ID)
	if err != nil {
		return nil, c.failed(err, c.id)
	}
	ids := []string{}
	for _, g := range groups {
		if keep(g.String()) {
			ids = append(ids, g.String())
		}
	}
	return object{"@odata.context": c.context("Collection(Edm.String)"), "value": ids}, nil
}
