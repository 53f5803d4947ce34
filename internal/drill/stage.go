package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// stage is where the operations of a cluster take place, and what tells a drill's own things there from others': all that it
// takes to put the place back, also for who comes later.
type stage struct {
	Cluster   azure.ID   `json:"cluster"`
	Group     azure.ID   `json:"nodeResourceGroup"`
	Elsewhere []azure.ID `json:"elsewhere,omitempty"` // resources that are touched outside of the group
	Disks     []azure.ID `json:"disks"`               // that are attached and detached
	Nodes     []string   `json:"nodes"`               // names: of routes too
	Machine   azure.ID   `json:"machine"`             // whose identity is the control plane's
}

func (s *scene) stage() *stage {
	out := &stage{Cluster: s.ID, Group: s.NodeGroup(), Disks: append([]azure.ID{s.ownDisk()}, s.disks...), Machine: s.control.Resource}
	if out.Machine.IsZero() {
		out.Machine = s.ID
	}
	for _, id := range slices.Concat(s.addresses, s.disks, []azure.ID{s.table}) {
		if !id.IsZero() && !s.NodeGroup().Contains(id) {
			out.Elsewhere = append(out.Elsewhere, id)
		}
	}
	for _, n := range s.nodes {
		out.Nodes = append(out.Nodes, n.Name)
	}
	return out
}

func (s *scene) take(ctx context.Context) (picture, error) { return s.stage().take(ctx, s.operator) }

// restore puts a cluster back to how it was.
func (s *scene) restore(ctx context.Context) error {
	return s.stage().restore(ctx, s.operator, func(picture) picture { return s.before })
}

// take makes a picture of the stage. What is not there any more is not in it.
func (t *stage) take(ctx context.Context, o *operator) (picture, error) {
	p := picture{}
	if group, err := o.get(ctx, t.Group); err != nil || group == nil {
		return p, err
	}
	for _, typ := range collections[1:] {
		all, err := o.list(ctx, t.Group.Resource(typ))
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			id := idOf(text(d, "id"))
			p[id.Key()] = d
			if typ != scaleSets {
				continue
			}
			machines, err := o.list(ctx, id.Join("virtualMachines"))
			if err != nil {
				return nil, err
			}
			for _, m := range machines {
				p[idOf(text(m, "id")).Key()] = m
			}
		}
	}
	for _, id := range t.Elsewhere {
		d, err := o.get(ctx, id)
		if err != nil {
			return nil, err
		}
		if d != nil {
			p[id.Key()] = d
		}
	}
	return p, nil
}

// restore makes the stage look as wanted, as the operator, and says in words what could not be done.
func (t *stage) restore(ctx context.Context, o *operator, wanted func(now picture) picture) error {
	const rounds = 3 // what is in use can be deleted once its user is gone
	var failed []error
	for range rounds {
		now, err := t.take(ctx, o)
		if err != nil {
			return err
		}
		before := wanted(now)
		if now.equals(before) {
			return nil
		}
		failed = t.putBack(ctx, o, before, now)
	}
	return errors.Join(failed...)
}

func (t *stage) putBack(ctx context.Context, o *operator, before, now picture) (failed []error) {
	for _, key := range now.inOrder() {
		id := idOf(text(now[key], "id"))
		old, was := before[key]
		var err error
		switch {
		case !was:
			err = t.mend(ctx, o, func(o *operator) error { return o.remove(ctx, id) })
		case !alike(old, now[key]):
			err = t.mend(ctx, o, func(o *operator) error { _, err := o.put(ctx, id, restoring(id, old)); return err })
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return append(failed, applyModels(ctx, o, before, now)...)
}

// mend changes something as the operator, or where a deny assignment keeps it out, as those of node resource groups do, as
// the cluster's identity, which they spare.
func (t *stage) mend(ctx context.Context, o *operator, change func(*operator) error) error {
	err := change(o)
	var e *azure.Error
	if !errors.As(err, &e) || e.Code != azure.DenyAssignmentAuthorizationFailed.Code {
		return err
	}
	token, failed := o.MachineToken(ctx, t.Machine)
	if failed != nil || change(&operator{Azure: o.Azure, token: token, renewed: time.Now()}) != nil {
		return err
	}
	return nil
}

// modelApplied is a property of machines: whether they are as their scale set has them.
const modelApplied = "latestModelApplied"

// applyModels gives machines their scale set's model again where they had it: to put the model back is to change it.
func applyModels(ctx context.Context, o *operator, before, now picture) (failed []error) {
	for key, old := range before {
		if is, ok := now[key]; !ok || at(old, "properties", modelApplied) != true || at(is, "properties", modelApplied) == true {
			continue
		}
		id := idOf(text(old, "id"))
		path := local.PathOf(id.Parent().Join("manualupgrade"))
		if err := o.call(ctx, http.MethodPost, path, doc{"instanceIds": []any{id.Name()}}, nil); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// undrilled is how a stage would look if there had been no drill: as it does, without what a drill makes, and with what a drill
// takes away and was there before. All else others may have changed since, and stays.
func (t *stage) undrilled(before, now picture) picture {
	out := picture{}
	var balancers []azure.ID
	for key, d := range now {
		id := idOf(text(d, "id"))
		if _, was := before[key]; was || !t.made(id, d) {
			out[key] = d
		} else if strings.EqualFold(id.Type(), loadBalancers) {
			balancers = append(balancers, id)
		}
	}
	for key, d := range out {
		d = without(d, func(e doc) bool {
			id := idOf(text(e, "id"))
			return slices.ContainsFunc(balancers, func(lb azure.ID) bool { return lb.Contains(id) })
		}).(doc)
		t.clean(before[key], d)
		out[key] = d
	}
	t.keepModels(before, out)
	return out
}

// made reports whether a resource is one that drills make.
func (t *stage) made(id azure.ID, d doc) bool {
	switch {
	case strings.EqualFold(id.Type(), publicIPs):
		return t.marked(id.Name())
	case strings.EqualFold(id.Type(), disks):
		return id.Equal(t.Disks[0])
	case strings.EqualFold(id.Type(), loadBalancers):
		return !slices.ContainsFunc(list(d, "properties", "frontendIPConfigurations"), func(f any) bool { return !t.marked(text(f, "name")) })
	}
	return false
}

// serviceNames are the services that drills make.
var serviceNames = []string{"drill-external", "drill-second", "drill-internal", "drill-in-subnet", "drill-static"}

// marked reports whether a name is one that the provider gives to what belongs to a drill's service.
func (t *stage) marked(name string) bool {
	return slices.ContainsFunc(serviceNames, func(service string) bool {
		return strings.Contains(name, act.LoadBalancerName(act.ServiceUID(t.Cluster.String(), service)))
	})
}

// afterNode stands between a node's name and its addresses in the name of a route (routeNameSeparator of the provider).
const afterNode = "____"

// owns reports whether a part of a document is one that drills make and remove.
func (t *stage) owns(part any) bool {
	disk, name := idOf(text(part, "managedDisk", "id")), text(part, "name")
	node, _, _ := strings.Cut(name, afterNode)
	return t.marked(name) || slices.Contains(t.Nodes, node) || !disk.IsZero() && slices.ContainsFunc(t.Disks, disk.Equal)
}

// clean leaves a document those of a drill's parts that it had before, and no others.
func (t *stage) clean(before, d doc) {
	for _, path := range partPaths(idOf(text(d, "id")).Type()) {
		had, is := list(before, path...), list(d, path...)
		parts := slices.DeleteFunc(slices.Clone(is), func(p any) bool { return t.owns(p) && !has(had, p) })
		for _, p := range had {
			if t.owns(p) && !has(parts, p) {
				parts = append(parts, p)
			}
		}
		if holder := mapAt(d, path[:len(path)-1]...); holder != nil && len(parts)+len(is) > 0 {
			holder[path[len(path)-1].(string)] = parts
		}
	}
	t.cleanTags(before, d)
}

// keepModels says that machines are to have their scale set's model that had it before, if that is still the same: to write a
// machine is to part it from its model.
func (t *stage) keepModels(before, out picture) {
	for key, d := range out {
		set := idOf(text(d, "id")).Parent().Key()
		if properties := mapAt(d, "properties"); at(before[key], "properties", modelApplied) == true && alike(before[set], out[set]) {
			properties[modelApplied] = true
		}
	}
}

// partPaths are where the parts are that drills add to and take from a document of a type.
func partPaths(typ string) (paths [][]any) {
	for _, p := range partNames {
		if strings.EqualFold(p.typ, typ) {
			paths = append(paths, []any{"properties", p.path})
		}
	}
	if strings.EqualFold(typ, instances) {
		paths = append(paths, []any{"properties", "storageProfile", "dataDisks"})
	}
	return paths
}

// has finds a part by its name, or for what a machine has attached, by the disk.
func has(parts []any, part any) bool {
	return slices.ContainsFunc(parts, func(p any) bool {
		return strings.EqualFold(text(p, "name"), text(part, "name")) && idOf(text(p, "managedDisk", "id")).Equal(idOf(text(part, "managedDisk", "id")))
	})
}

// serviceTag is the tag in which the provider notes which services use an address.
const serviceTag = "service"

// cleanTags gives an address the tag that it had before services of a drill used it.
func (t *stage) cleanTags(before, out doc) {
	tags := mapAt(out, "tags")
	value, tagged := tags[serviceTag]
	if typ := idOf(text(out, "id")).Type(); !tagged || !strings.EqualFold(typ, publicIPs) {
		return
	}
	if s := fmt.Sprint(value); s != "" && !slices.ContainsFunc(serviceNames, func(name string) bool { return strings.Contains(s, name) }) {
		return
	}
	if was, had := mapAt(before, "tags")[serviceTag]; had {
		tags[serviceTag] = was
	} else {
		delete(tags, serviceTag)
	}
}

// without is a value without the members of lists that are gone.
func without(v any, gone func(doc) bool) any {
	switch v := v.(type) {
	case doc:
		out := doc{}
		for k, x := range v {
			out[k] = without(x, gone)
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			if d, ok := x.(doc); !ok || !gone(d) {
				out = append(out, without(x, gone))
			}
		}
		return out
	}
	return v
}

// ownDisk is the disk that a drill makes.
func (s *scene) ownDisk() azure.ID { return s.NodeGroup().Resource(disks, "drill-disk") }
