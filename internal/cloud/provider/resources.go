package provider

import (
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// resources is ARM itself: the tenant, its subscriptions, their groups, and what can be listed across types.
func resources() arm.Provider {
	versions := []string{"2022-12-01", "2022-09-01", "2021-04-01", "2021-01-01", "2020-10-01", "2019-11-01", "2019-10-01", "2019-06-01", "2018-05-01", "2016-06-01"}
	row := func(t arm.Type) arm.Type {
		t.Since, t.Versions = "2014-04-01", versions
		return t
	}
	return arm.Provider{Namespace: "Microsoft.Resources", Types: append(deployments(), []arm.Type{
		row(arm.Type{Name: typeTags, Place: arm.Any, Codes: arm.Codes{Create: 200}, Get: getTags, Check: checkTags,
			Written: forgetTags, Erase: eraseTags}),
		row(arm.Type{Name: azure.TypeTenant, Place: arm.InTenant, Open: true, List: listTenants}),
		row(arm.Type{Name: azure.TypeSubscription, Place: arm.InTenant, Open: true, Get: getSubscription, List: listSubscriptions}),
		row(arm.Type{Name: azure.TypeSubscription + "/locations", Place: arm.InSubscription, List: listLocations}),
		row(arm.Type{Name: azure.TypeSubscription + "/providers", Place: arm.InSubscription, Get: getProvider, List: listProviders,
			Actions: map[string]arm.Action{"register": {Do: registerProvider}, "unregister": {Do: registerProvider}}}),
		row(arm.Type{Name: azure.TypeSubscription + "/resources", Place: arm.InSubscription, Open: true, List: listResources}),
		row(arm.Type{Name: azure.TypeResourceGroup + "/resources", Open: true, List: listResources}),
		row(arm.Type{Name: azure.TypeResourceGroup, Shown: "Microsoft.Resources/resourceGroups", Place: arm.InSubscription, Tracked: true,
			Codes: arm.Codes{Delete: 202, Gone: 404}, Trims: true, Sees: seesInto, Keep: []string{"managedBy"}, Actions: moves(),
			List: listGroups, Check: checkGroup, Deleting: []arm.Step{deleteGroup}}),
	}...)}
}

func listTenants(c *arm.Call) iter.Seq2[arm.Doc, error] {
	id := c.Tenant().String()
	return one(arm.Doc{"id": "/tenants/" + id, "tenantId": id, "displayName": "aksid", "defaultDomain": "aksid.onmicrosoft.com",
		"domains": []any{"aksid.onmicrosoft.com"}, "tenantCategory": "Home", "countryCode": "NL"})
}

func one(d arm.Doc) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) { yield(d, nil) }
}

func each[T any](all []T, doc func(T) arm.Doc) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, v := range all {
			if !yield(doc(v), nil) {
				return
			}
		}
	}
}

// NewSubscription is a subscription's document, as it is stored.
func NewSubscription(id, tenant azure.GUID, name string, order int) arm.Doc {
	return arm.Doc{"id": "/subscriptions/" + id.String(), "name": id.String(), "type": azure.TypeSubscription, "subscriptionId": id.String(), "tenantId": tenant.String(),
		"displayName": name, "state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": []any{}, "_": arm.Doc{"order": order},
		"subscriptionPolicies": arm.Doc{"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"}}
}

// getSubscription answers whoever has any right in the subscription; for others it does not exist.
func getSubscription(c *arm.Call) (arm.Doc, *azure.Error) {
	doc, err := c.Load(c.ID)
	if err != nil {
		return nil, arm.Fault(err)
	}
	if doc == nil || !seesInto(c, c.ID) {
		return nil, azure.SubscriptionNotFound.Format(azure.Fields{"subscription": c.ID.Name()})
	}
	return doc, nil
}

func listSubscriptions(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		var docs []arm.Doc
		for d, err := range c.Resources(azure.Root, azure.TypeSubscription) {
			if err != nil {
				yield(nil, err)
				return
			}
			if seesInto(c, azure.MustID(arm.Str(d, "id"))) {
				docs = append(docs, d)
			}
		}
		slices.SortFunc(docs, func(a, b arm.Doc) int { return arm.Int(a, "_.order") - arm.Int(b, "_.order") })
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// seesInto reports whether the caller has a role at, above or anywhere below a scope.
func seesInto(c *arm.Call, scope azure.ID) bool {
	for g := range c.Policy().GrantsOf(c.Caller.ID, c.Now) {
		if scope.Contains(g.Scope) || c.Covers(g.Scope, scope) {
			return true
		}
	}
	return false
}

func listLocations(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return each(arm.Regions, func(r [2]string) arm.Doc {
		return arm.Doc{"id": c.ID.Join("locations", r[0]).String(), "name": r[0], "type": "Region", "displayName": r[1],
			"regionalDisplayName": r[1], "metadata": arm.Doc{"regionType": "Physical", "regionCategory": "Recommended"}}
	})
}

func getProvider(c *arm.Call) (arm.Doc, *azure.Error) {
	for _, p := range c.Providers() {
		if strings.EqualFold(p.Namespace, c.ID.Name()) {
			return describe(c, p), nil
		}
	}
	return nil, azure.InvalidNamespace.Format(azure.Fields{"namespace": c.ID.Name()})
}

func registerProvider(c *arm.Call) (any, *azure.Error) { return c.Doc, nil }

func listProviders(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return each(c.Providers(), func(p *arm.Provider) arm.Doc { return describe(c, p) })
}

// describe is a provider as ARM lists it; every provider of the local Azure is registered.
func describe(c *arm.Call, p *arm.Provider) arm.Doc {
	regions := make([]any, len(arm.Regions))
	for i, r := range arm.Regions {
		regions[i] = r[1]
	}
	types := []any{}
	for _, t := range p.Types {
		types = append(types, arm.Doc{"resourceType": strings.TrimPrefix(t.Name, p.Namespace+"/"), "locations": regions,
			"apiVersions": t.Versions, "defaultApiVersion": defaultVersion(t.Versions), "apiProfiles": []any{}, "locationMappings": []any{}, "zoneMappings": []any{}, "capabilities": "CrossResourceGroupResourceMove, SupportsTags, SupportsLocation"})
	}
	return arm.Doc{"id": "/subscriptions/" + c.ID.Subscription() + "/providers/" + p.Namespace, "namespace": p.Namespace,
		"registrationState": "Registered", "registrationPolicy": "RegistrationRequired", "resourceTypes": types}
}

// defaultVersion is the newest version that is no preview.
func defaultVersion(versions []string) any {
	for _, v := range versions {
		if !strings.HasSuffix(v, "-preview") {
			return v
		}
	}
	return nil
}

// listResources lists every tracked resource that the caller may read.
func listResources(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	return func(yield func(arm.Doc, error) bool) {
		if bad != nil {
			yield(nil, bad)
			return
		}
		for d, err := range tracked(c) {
			ok := err == nil && mayRead(c, azure.MustID(arm.Str(d, "id")))
			if ok {
				ok, err = matches(d, terms)
			}
			switch {
			case err != nil:
				yield(nil, err)
				return
			case ok && !yield(withTimes(c, summary(d)), nil):
				return
			}
		}
	}
}

// timesOfResources are members of resources in a list that are there when the query expands them.
var timesOfResources = []string{"provisioningState", "createdTime", "changedTime"}

func withTimes(c *arm.Call, d arm.Doc) arm.Doc {
	asked := strings.Split(strings.ToLower(c.Param("$expand")), ",")
	for _, name := range timesOfResources {
		if !slices.Contains(asked, lower(name)) {
			delete(d, name)
		}
	}
	return d
}

// listGroups lists resource groups, those with a tag where the filter names one.
func listGroups(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	return func(yield func(arm.Doc, error) bool) {
		if bad != nil {
			yield(nil, bad)
			return
		}
		for d, err := range c.Resources(c.ID, azure.TypeResourceGroup) {
			ok := err == nil
			if ok {
				ok, err = matches(d, terms)
			}
			if (ok || err != nil) && !yield(d, err) {
				return
			}
		}
	}
}

func mayRead(c *arm.Call, id azure.ID) bool { return c.May(azure.Action(id.Type()+"/read"), id) }

// tracked yields the tracked resources in the call's scope, by type.
func tracked(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, p := range c.Providers() {
			for _, t := range p.Types {
				if !t.Tracked || t.Name == azure.TypeResourceGroup {
					continue
				}
				for d, err := range c.Resources(c.ID, t.Name) {
					if !yield(d, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// matches applies a $filter of ARM's resource list.
func matches(d arm.Doc, terms []arm.Term) (bool, error) {
	id := azure.MustID(arm.Str(d, "id"))
	for _, t := range terms {
		var v string
		switch strings.ToLower(t.Field) {
		case "tagname", "tagvalue":
			if t.Op == "eq" && hasTag(d, terms) {
				continue
			}
			return false, nil
		case "resourcetype":
			v = arm.Str(d, "type")
		case "resourcegroup":
			v = id.ResourceGroup()
		case "name":
			v = arm.Str(d, "name")
		case "location":
			v = arm.Str(d, "location")
		default:
			return false, azure.UnsupportedFilter.Format(azure.Fields{"filter": t.Field + " " + t.Op})
		}
		switch t.Op {
		case "eq":
			if !strings.EqualFold(v, t.Value) {
				return false, nil
			}
		case "ne":
			if strings.EqualFold(v, t.Value) {
				return false, nil
			}
		default:
			return false, azure.UnsupportedFilter.Format(azure.Fields{"filter": t.Field + " " + t.Op})
		}
	}
	return true, nil
}

// hasTag reports whether a resource has the tag that a filter names, with the value if it names one.
func hasTag(d arm.Doc, terms []arm.Term) bool {
	for name, value := range arm.Map(d, "tags") {
		ok := true
		for _, t := range terms {
			switch text, _ := value.(string); strings.ToLower(t.Field) {
			case "tagname":
				ok = ok && strings.EqualFold(t.Value, name)
			case "tagvalue":
				ok = ok && t.Value == text
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// summary is a resource as lists across types show it.
func summary(d arm.Doc) arm.Doc {
	out := arm.Doc{"provisioningState": arm.Str(d, "properties.provisioningState"),
		"createdTime": arm.Str(d, "_.systemData.createdAt"), "changedTime": arm.Str(d, "_.systemData.lastModifiedAt")}
	for _, k := range []string{"id", "name", "type", "location", "tags", "sku", "kind", "identity", "managedBy", "zones"} {
		if v, ok := d[k]; ok {
			out[k] = v
		}
	}
	return out
}

var groupName = regexp.MustCompile(`^[-\w._()]{0,89}[-\w_()]$`)

func checkGroup(c *arm.Call) *azure.Error {
	if name := c.ID.Name(); !groupName.MatchString(name) {
		return azure.InvalidGroupName.Format(azure.Fields{"name": name, "characters": groupName.ReplaceAllString(name, "")})
	}
	arm.Set(c.Doc, "properties.provisioningState", "Succeeded")
	return nil
}

// deleteGroup removes everything in the group: first what owns resources elsewhere (clusters with their node
// resource groups), then, if nothing outside still uses what is left, the rest.
func deleteGroup(c *arm.Call) (time.Duration, *azure.Error) {
	if err := c.RemoveOwners(); err != nil {
		return 0, err
	}
	blocked, err := c.InUseBelow()
	if err != nil {
		return 0, err
	}
	if len(blocked) > 0 {
		names := make([]string, len(blocked))
		for i, b := range blocked {
			names[i] = b.Target
		}
		err := azure.ResourceGroupDeletionBlocked.Format(azure.Fields{"group": c.ID.Name(), "resources": strings.Join(names, ","), "id": c.Correlation})
		err.Details = blocked
		return 0, err
	}
	return 0, c.Remove()
}
