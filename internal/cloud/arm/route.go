package arm

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// Names of ARM's own collections, which stand in ids without a provider.
const (
	typeProvider = azure.TypeSubscription + "/providers"
)

// route finds the type and the id that a path is about.
func (a *ARM) route(req *Request) *azure.Error {
	id, err := azure.ParseID(req.Path)
	if err == nil && strings.Contains(id.Key(), "/deployments") {
		id, err = azure.ParseID(longForm(req.Path))
	}
	if err != nil {
		return azure.InvalidNameSegments.Format(azure.Fields{"name": req.Path})
	}
	if sub := id.Subscription(); sub != "" {
		if _, err := azure.ParseGUID(sub); err != nil {
			return azure.InvalidSubscription.Format(azure.Fields{"subscription": sub})
		}
	}
	scope, typ, names := place(id)
	if typ == "" {
		return azure.InvalidNamespace.Format(azure.Fields{"namespace": id.String()})
	}
	parts := strings.Count(typ, "/")
	t := a.reg.find(typ)
	switch {
	case t != nil && (len(names) == parts || t.Single && len(names) == parts-1):
		req.ID, req.Type = id, t
	case len(names) == parts-1 && t != nil && req.Method != http.MethodPost:
		req.ID, req.Type, req.List = collection(scope, id, names), t, true
	case req.Method == http.MethodPost:
		return a.routeAction(req, id, typ)
	default:
		return a.unknownType(req, id, typ)
	}
	if !t.serves(req.Version) {
		return badVersion(req, t)
	}
	return req.allowed(t)
}

// shortDeployment is the older spelling of a deployment's path, which az uses for its operations.
var shortDeployment = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+(?:/resourcegroups/[^/]+)?)/deployments(/|$)`)

func longForm(path string) string {
	return shortDeployment.ReplaceAllString(path, "$1/providers/Microsoft.Resources/deployments$2")
}

// place is azure.ID.Split with ARM's own collections (subscriptions, their groups, locations, providers) as types.
func place(id azure.ID) (scope azure.ID, typ string, names []string) {
	segments := id.Segments()
	isSub := len(segments) > 0 && strings.EqualFold(segments[0], "subscriptions")
	if len(segments) == 1 && strings.EqualFold(segments[0], "tenants") {
		return azure.Root, azure.TypeTenant, nil
	}
	if len(segments) == 1 && strings.EqualFold(segments[0], "providers") {
		return azure.Root, "Microsoft.Resources/providers", nil
	}
	if isSub && len(segments) <= 4 && len(segments) >= 3 && strings.EqualFold(segments[2], "providers") {
		return azure.SubscriptionID(segments[1]), typeProvider, slices.Concat(segments[1:2], segments[3:])
	}
	if isSub && !slices.ContainsFunc(segments, func(s string) bool { return strings.EqualFold(s, "providers") }) {
		typ = "Microsoft.Resources"
		for i := 0; i < len(segments); i += 2 {
			typ += "/" + segments[i]
			if i+1 < len(segments) {
				names = append(names, segments[i+1])
			}
		}
		return azure.Root, typ, names
	}
	return id.Split()
}

// collection is the scope that a list is taken of: the parent resource, or the scope before the provider.
func collection(scope, id azure.ID, names []string) azure.ID {
	if len(names) == 0 {
		return scope
	}
	return azure.MustID(id.String()[:strings.LastIndexByte(id.String(), '/')])
}

// routeAction takes the last segment of a POST as the action's name.
func (a *ARM) routeAction(req *Request, id azure.ID, typ string) *azure.Error {
	cut := strings.LastIndexByte(id.String(), '/')
	if cut <= 0 {
		return azure.InvalidNamespace.Format(azure.Fields{"namespace": id.String()})
	}
	target := azure.MustID(id.String()[:cut])
	_, name, names := place(target)
	t := a.reg.find(name)
	if t == nil || len(names) != strings.Count(name, "/") {
		return a.unknownType(req, id, typ)
	}
	if !t.serves(req.Version) {
		return badVersion(req, t)
	}
	req.ID, req.Type, req.Action = target, t, id.Name()
	if _, ok := t.Actions[strings.ToLower(req.Action)]; !ok {
		return azure.MethodNotAllowed.Format(azure.Fields{"method": req.Method, "type": t.Name + "/" + req.Action})
	}
	return nil
}

// allowed refuses methods that no resource of the type has.
func (req *Request) allowed(t *Type) *azure.Error {
	ok := false
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		ok = !req.List || t.List != nil || t.Get == nil
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		ok = !req.List && !t.ReadOnly && (t.Get == nil || t.Check != nil) && !(t.NoDelete && req.Method == http.MethodDelete)
	case http.MethodPost:
		ok = t.Single && t.Get != nil // a question with a body, as checkNameAvailability
	}
	if !ok {
		return azure.MethodNotAllowed.Format(azure.Fields{"method": req.Method, "type": t.Name})
	}
	return nil
}

func (a *ARM) unknownType(req *Request, id azure.ID, typ string) *azure.Error {
	ns := namespace(typ)
	p := a.reg.providers[strings.ToLower(ns)]
	if p == nil {
		return azure.InvalidNamespace.Format(azure.Fields{"namespace": ns})
	}
	return azure.InvalidType.Format(azure.Fields{"type": strings.TrimPrefix(typ, ns+"/"), "namespace": p.Namespace,
		"version": req.Version, "supported": ""})
}

func badVersion(req *Request, t *Type) *azure.Error {
	supported := strings.Join(t.Versions, ", ")
	if ns := namespace(t.Name); ns == "Microsoft.Resources" {
		return azure.InvalidAPIVersion.Format(azure.Fields{"version": req.Version, "supported": supported})
	}
	return azure.NoRegisteredProvider.Format(azure.Fields{"location": Str(req.Body, "location"), "version": req.Version,
		"type": strings.TrimPrefix(t.Name, namespace(t.Name)+"/"), "supported": supported, "locations": strings.Join(Locations, ", ")})
}
