package drill

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// picture is everything that a drill can change of a cluster, as it was at one time: documents by key.
type picture map[string]doc

// collections are the types in the node resource group that operations change, in the order in which they are put back:
// what refers to others before those.
var collections = []string{instances, scaleSets, loadBalancers, publicIPs, securityGroups, estate.TypeRouteTable, disks}

// left are words for what one picture has and an earlier one had not: resources, and parts of those that both have.
func (p picture) left(before picture) []string {
	had := before.things()
	var out []string
	for thing, whole := range p.things() {
		_, was := had[thing]
		if _, wholeWas := had[whole]; !was && (whole == "" || wholeWas) {
			out = append(out, thing)
		}
	}
	slices.Sort(out)
	return out
}

// parts are the members of documents that operations add to, and what a person calls them.
var partNames = []struct{ typ, path, word string }{
	{loadBalancers, "frontendIPConfigurations", "frontend"}, {loadBalancers, "loadBalancingRules", "rule"}, {loadBalancers, "probes", "probe"},
	{securityGroups, "securityRules", "rule"}, {estate.TypeRouteTable, "routes", "route"},
}

// typeWords are what a person calls the types.
var typeWords = map[string]string{
	loadBalancers: "load balancer", publicIPs: "public IP", securityGroups: "network security group", estate.TypeRouteTable: "route table", disks: "disk",
	instances: "machine", scaleSets: "scale set",
}

func word(typ string) string {
	for t, w := range typeWords {
		if strings.EqualFold(t, typ) {
			return w
		}
	}
	return typ
}

// things are the resources of a picture and the parts of them, in words, each with what it is a part of.
func (p picture) things() map[string]string {
	out := map[string]string{}
	for _, d := range p {
		id := idOf(text(d, "id"))
		name := word(id.Type()) + " " + id.Name()
		if strings.EqualFold(id.Type(), instances) {
			name = word(id.Type()) + " " + text(d, "properties", "osProfile", "computerName")
		}
		out[name] = ""
		for _, part := range partNames {
			if strings.EqualFold(part.typ, id.Type()) {
				for _, e := range list(d, "properties", part.path) {
					out[fmt.Sprintf("%s %s of %s", part.word, text(e, "name"), name)] = name
				}
			}
		}
		for _, disk := range list(d, "properties", "storageProfile", "dataDisks") {
			out[fmt.Sprintf("disk %s at %s", text(disk, "name"), name)] = name
		}
		for tag := range mapAt(d, "tags") {
			if strings.EqualFold(id.Type(), publicIPs) {
				out[fmt.Sprintf("tag %s of %s", tag, name)] = name
			}
		}
	}
	return out
}

func mapAt(v any, path ...any) map[string]any {
	m, _ := at(v, path...).(map[string]any)
	return m
}

// equals reports whether two pictures show the same.
func (p picture) equals(other picture) bool {
	for key, d := range p {
		old, ok := other[key]
		if !ok || !alike(old, d) || at(old, "properties", modelApplied) != at(d, "properties", modelApplied) {
			return false
		}
	}
	return len(p) == len(other)
}

// inOrder are the keys of a picture in the order in which its documents are put back.
func (p picture) inOrder() []string {
	return slices.SortedFunc(maps.Keys(p), func(a, b string) int {
		return cmp.Or(rank(p[a])-rank(p[b]), strings.Compare(a, b))
	})
}

func rank(d doc) int {
	typ := idOf(text(d, "id")).Type()
	return slices.IndexFunc(collections, func(t string) bool { return strings.EqualFold(t, typ) })
}

// restoring is what to put so that a resource is as it was. Of a machine only what operations change.
func restoring(id azure.ID, old doc) doc {
	if !strings.EqualFold(id.Type(), instances) {
		return old
	}
	dataDisks := list(old, "properties", "storageProfile", "dataDisks")
	if dataDisks == nil {
		dataDisks = []any{}
	}
	return doc{"location": old["location"], "properties": doc{
		"networkProfileConfiguration": at(old, "properties", "networkProfileConfiguration"), "storageProfile": doc{"dataDisks": dataDisks}}}
}

// alike compares documents without what changes with every write, or follows from other documents.
func alike(a, b doc) bool { return reflect.DeepEqual(essence(a), essence(b)) }

// derived are members that Azure computes.
var derived = map[string]bool{
	"etag": true, "provisioningState": true, "backendIPConfigurations": true, "networkInterfaces": true, "ipConfiguration": true, "managedBy": true,
	"diskState": true, "LastOwnershipUpdateTime": true, "lastOwnershipUpdateTime": true, "latestModelApplied": true, "subnets": true, "managedByExtended": true,
}

func essence(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if !derived[k] {
				out[k] = essence(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = essence(x)
		}
		return out
	case json.Number:
		return v.String()
	}
	return v
}
