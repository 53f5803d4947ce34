package cloud_test

import (
	"slices"
	"strings"
	"testing"
)

// TestListsByTag lists groups and resources by a tag, and by its value.
func TestListsByTag(t *testing.T) {
	w := newWorld(t)
	op := w.operator
	for name, env := range map[string]string{"rg1": "test", "rg2": "Test", "rg3": ""} {
		tags := obj{"other": "test"}
		if env != "" {
			tags["env"] = env
		}
		op.put(w.platform+"/resourceGroups/"+name, obj{"location": "westeurope", "tags": tags}).ok(201)
		op.put(w.platform+"/resourceGroups/"+name+"/providers/Microsoft.Network/routeTables/of-"+name, obj{"location": "westeurope", "tags": tags}).ok(201)
	}
	for filter, want := range map[string][]string{
		"tagName eq 'env'":                           {"rg1", "rg2"},
		"tagname eq 'ENV' and tagvalue eq 'test'":    {"rg1"},
		"tagName eq 'env' and tagValue eq 'staging'": nil,
		"tagName eq 'nothing'":                       nil,
		"tagName eq 'other'":                         {"rg1", "rg2", "rg3"},
	} {
		for list, prefix := range map[string]string{"/resourcegroups": "", "/resources": "of-"} {
			var got []string
			for _, name := range op.get(w.platform + list + "?$filter=" + filter).ok(200).list("name") {
				got = append(got, strings.TrimPrefix(name, prefix))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s %s: %v, want %v", list, filter, got, want)
			}
		}
	}
	op.get(w.platform+"/resourcegroups?$filter=colour eq 'red'").refused(400, "UnsupportedQuery")
	one := op.get(w.platform + "/resources").ok(200)
	all := op.get(w.platform + "/resources?$expand=createdTime,changedTime,provisioningState").ok(200)
	if one.at("value.0.provisioningState") != nil || all.str("value.0.provisioningState") != "Succeeded" {
		t.Errorf("not expanded %s, expanded %s", one.raw, all.raw)
	}
}

// TestOperations lists what a provider can do, which anybody may see.
func TestOperations(t *testing.T) {
	w := newWorld(t)
	got := w.application("anybody").get("/providers/Microsoft.ManagedIdentity/operations").ok(200).list("name")
	if !slices.Contains(got, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action") || slices.ContainsFunc(got, func(s string) bool { return !strings.HasPrefix(s, "Microsoft.ManagedIdentity/") }) {
		t.Errorf("operations are %v", got)
	}
}

// TestAssociatedResources lists what carries an identity, and not what names it elsewhere.
func TestAssociatedResources(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	id, _, _ := w.identity(rg, "id1")
	list := func() []string {
		return op.do("POST", id+"/listAssociatedResources", nil).ok(200).list("name")
	}
	if got := list(); len(got) != 0 {
		t.Errorf("a new identity is on %v", got)
	}
	op.put(rg+"/providers/Microsoft.ContainerRegistry/registries/carrier", obj{"location": "westeurope", "sku": obj{"name": "Premium"},
		"identity": obj{"type": "UserAssigned", "userAssignedIdentities": obj{strings.ToLower(id): obj{}}}}).ok(201)
	op.put(rg+"/providers/Microsoft.ContainerRegistry/registries/bystander", obj{"location": "westeurope", "sku": obj{"name": "Premium"}}).ok(201)
	if got := list(); !slices.Equal(got, []string{"carrier"}) {
		t.Errorf("the identity is on %v", got)
	}
	reader := w.application("reader")
	w.grant(reader.id, "Reader", rg)
	reader.do("POST", id+"/listAssociatedResources", nil).refused(403, "AuthorizationFailed", "'Microsoft.ManagedIdentity/userAssignedIdentities/listAssociatedResources/action'")
}
