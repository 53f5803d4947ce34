package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// picture is everything that a drill can change of a cluster, as it was at one time: documents by key.
type picture map[string]doc

// collections are the types in the node resource group that operations change, in the order in which they are put back:
// what refers to others before those.
var collections = []string{instances, scaleSets, loadBalancers, publicIPs, securityGroups, estate.TypeRouteTable, disks}

// take makes a picture of a cluster and of what lies elsewhere that its operations touch.
func (s *scene) take(ctx context.Context) (picture, error) {
	p := picture{}
	for _, typ := range collections[1:] {
		all, err := s.operator.list(ctx, s.NodeGroup().Resource(typ))
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			id := idOf(text(d, "id"))
			p[id.Key()] = d
			if typ != scaleSets {
				continue
			}
			machines, err := s.operator.list(ctx, id.Join("virtualMachines"))
			if err != nil {
				return nil, err
			}
			for _, m := range machines {
				p[idOf(text(m, "id")).Key()] = m
			}
		}
	}
	for _, id := range slices.Concat(s.addresses, s.disks, []azure.ID{s.table}) {
		if id.IsZero() || s.NodeGroup().Contains(id) {
			continue
		}
		d, err := s.operator.get(ctx, id)
		if err != nil {
			return nil, err
		}
		if d != nil {
			p[id.Key()] = d
		}
	}
	return p, nil
}

// left are words for what one picture has and an earlier one had not: resources, and parts of them.
func (p picture) left(before picture) []string {
	had := before.things()
	var out []string
	for thing := range p.things() {
		if !had[thing] {
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

// things are the resources of a picture and the parts of them, in words.
func (p picture) things() map[string]bool {
	out := map[string]bool{}
	for _, d := range p {
		id := idOf(text(d, "id"))
		name := word(id.Type()) + " " + id.Name()
		if strings.EqualFold(id.Type(), instances) {
			name = word(id.Type()) + " " + text(d, "properties", "osProfile", "computerName")
		}
		out[name] = true
		for _, part := range partNames {
			if strings.EqualFold(part.typ, id.Type()) {
				for _, e := range list(d, "properties", part.path) {
					out[fmt.Sprintf("%s %s of %s", part.word, text(e, "name"), name)] = true
				}
			}
		}
		for _, disk := range list(d, "properties", "storageProfile", "dataDisks") {
			out[fmt.Sprintf("disk %s at %s", text(disk, "name"), name)] = true
		}
		for tag := range mapAt(d, "tags") {
			if strings.EqualFold(id.Type(), publicIPs) {
				out[fmt.Sprintf("tag %s of %s", tag, name)] = true
			}
		}
	}
	return out
}

func mapAt(v any, path ...any) map[string]any {
	m, _ := at(v, path...).(map[string]any)
	return m
}

// restore puts a cluster back to how a picture has it, as the operator, and says in words what could not be.
func (s *scene) restore(ctx context.Context, before picture) error {
	const rounds = 3 // what is in use can be deleted once its user is gone
	var failed []error
	for range rounds {
		now, err := s.take(ctx)
		if err != nil {
			return err
		}
		if now.equals(before) {
			return nil
		}
		failed = s.putBack(ctx, before, now)
	}
	return errors.Join(failed...)
}

// advice is how to remove the resources that are left, once what keeps them is gone.
func (s *scene) advice(ctx context.Context) string {
	now, err := s.take(ctx)
	if err != nil {
		return ""
	}
	var ids []string
	for key, d := range now {
		if _, was := s.before[key]; !was {
			ids = append(ids, text(d, "id"))
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return "; once nothing keeps them, remove them with: aksid exec -- az resource delete --ids " + strings.Join(ids, " ")
}

func (s *scene) putBack(ctx context.Context, before, now picture) (failed []error) {
	keys := slices.SortedFunc(maps.Keys(now), func(a, b string) int {
		if d := rank(now[a]) - rank(now[b]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, key := range keys {
		id := idOf(text(now[key], "id"))
		old, was := before[key]
		var err error
		switch {
		case !was:
			err = s.mend(ctx, func(o *operator) error { return o.remove(ctx, id) })
		case !alike(old, now[key]):
			err = s.mend(ctx, func(o *operator) error { _, err := o.put(ctx, id, restoring(id, old)); return err })
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return append(failed, s.applyModels(ctx, before, now)...)
}

// mend changes something as the operator, or where a deny assignment keeps it out, as those of node resource groups do, as
// the cluster's identity, which they spare.
func (s *scene) mend(ctx context.Context, change func(*operator) error) error {
	err := change(s.operator)
	var e *azure.Error
	if !errors.As(err, &e) || e.Code != azure.DenyAssignmentAuthorizationFailed.Code {
		return err
	}
	machine := s.control.Resource
	if machine.IsZero() {
		machine = s.ID
	}
	token, failed := s.operator.MachineToken(ctx, machine)
	if failed != nil || change(&operator{Azure: s.operator.Azure, token: token, renewed: time.Now()}) != nil {
		return err
	}
	return nil
}

// applyModels gives machines their scale set's model again where they had it: to put the model back is to change it.
func (s *scene) applyModels(ctx context.Context, before, now picture) (failed []error) {
	const had = "latestModelApplied"
	for key, old := range before {
		if is, ok := now[key]; !ok || at(old, "properties", had) != true || at(is, "properties", had) == true {
			continue
		}
		id := idOf(text(old, "id"))
		path := local.PathOf(id.Parent().Join("manualupgrade"))
		if err := s.operator.call(ctx, http.MethodPost, path, doc{"instanceIds": []any{id.Name()}}, nil); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// equals reports whether two pictures show the same.
func (p picture) equals(other picture) bool {
	for key, d := range p {
		old, ok := other[key]
		if !ok || !alike(old, d) || at(old, "properties", "latestModelApplied") != at(d, "properties", "latestModelApplied") {
			return false
		}
	}
	return len(p) == len(other)
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
