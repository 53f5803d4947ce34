package drill

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// begun is a drill of a world that has its journal.
func (w *world) begun(t *testing.T) *Drill {
	t.Helper()
	d := &Drill{Azure: w.Azure}
	left, _, err := d.Begin(t.Context())
	if err != nil || len(left) > 0 {
		t.Fatalf("%v, %v", left, err)
	}
	return d
}

// killed is what the next drill finds of one that ends without a word.
func (w *world) killed(t *testing.T, d *Drill) []string {
	t.Helper()
	if err := d.journal.close(); err != nil { // as the system does
		t.Fatal(err)
	}
	next := &Drill{Azure: w.Azure}
	left, end, err := next.Begin(t.Context())
	if err != nil || len(left) != 1 || time.Since(left[0].Began) > time.Hour {
		t.Fatalf("%v, %v", left, err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.journal.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
	return left[0].Did
}

func (w *world) make(t *testing.T, id azure.ID, body doc) {
	t.Helper()
	body["location"] = region
	if _, err := w.put(t.Context(), id, body); err != nil {
		t.Fatal(err)
	}
}

// What a drill made goes, and what others made since stays: resources, parts of them, tags.
func TestLeftovers(t *testing.T) {
	w := newWorld(t)
	s := w.scene(t)
	nodes, machine := s.NodeGroup(), azure.MustID(s.nodes[0].ID)
	static, mine := w.cluster.GroupID().Resource(publicIPs, "static"), nodes.Resource(publicIPs, "mine")
	w.make(t, static, doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}, "tags": doc{"owner": "me"}})
	s.addresses = []azure.ID{static}
	d := w.begun(t)
	before, err := s.take(t.Context())
	if err == nil {
		err = d.journal.note(&entry{Stage: s.stage(), Before: before})
	}
	if err != nil {
		t.Fatal(err)
	}
	name := act.LoadBalancerName(act.ServiceUID(s.ID.String(), "drill-external"))
	ip, disk, lb := nodes.Resource(publicIPs, "kubernetes-"+name), s.ownDisk(), nodes.Resource(loadBalancers, "kubernetes")
	internal := nodes.Resource(loadBalancers, "kubernetes-internal")
	address := doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}}
	w.make(t, ip, address)
	w.make(t, mine, address)
	w.make(t, static, doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}, "tags": doc{"owner": "me", "since": "now", serviceTag: "default/drill-static"}})
	balancer, err := w.get(t.Context(), lb)
	if err != nil {
		t.Fatal(err)
	}
	frontends := append(list(balancer, "properties", "frontendIPConfigurations"),
		doc{"name": name, "properties": doc{"publicIPAddress": doc{"id": ip.String()}}}, doc{"name": "mine", "properties": doc{"publicIPAddress": doc{"id": mine.String()}}})
	mapAt(balancer, "properties")["frontendIPConfigurations"] = frontends
	w.make(t, lb, balancer)
	w.make(t, internal, doc{"sku": standard, "properties": doc{"frontendIPConfigurations": []any{doc{"name": name, "properties": doc{"subnet": doc{"id": s.subnet().String()}}}},
		"backendAddressPools": []any{doc{"name": "kubernetes"}}}})
	w.make(t, disk, doc{"properties": doc{"creationData": doc{"createOption": "Empty"}, "diskSizeGB": 4}})
	config := without(at(before[machine.Key()], "properties", "networkProfileConfiguration"), func(doc) bool { return false })
	ipConfig := mapAt(config, "networkInterfaceConfigurations", 0, "properties", "ipConfigurations", 0, "properties")
	ipConfig["loadBalancerBackendAddressPools"] = append(list(ipConfig, "loadBalancerBackendAddressPools"), doc{"id": internal.Join("backendAddressPools", "kubernetes").String()})
	w.make(t, machine, doc{"properties": doc{"networkProfileConfiguration": config,
		"storageProfile": doc{"dataDisks": []any{doc{"lun": 0, "name": "drill-disk", "createOption": "Attach", "managedDisk": doc{"id": disk.String()}}}}}})
	route := func(name, prefix string) doc {
		return doc{"name": name, "properties": doc{"addressPrefix": prefix, "nextHopType": "VirtualAppliance", "nextHopIpAddress": s.nodes[0].IP}}
	}
	w.make(t, s.table, doc{"properties": doc{"routes": []any{route(s.nodes[0].Name+"____102440024", "10.244.0.0/24"), route("mine", "10.9.0.0/24")}}})

	did := w.killed(t, d)
	want := []string{"removed disk drill-disk", "removed disk drill-disk at machine " + s.nodes[0].Name, "removed frontend " + name + " of load balancer kubernetes",
		"removed load balancer kubernetes-internal", "removed public IP kubernetes-" + name, "removed route " + s.nodes[0].Name + "____102440024 of route table " + s.table.Name(), "removed tag service of public IP static"}
	if !slices.Equal(did, want) {
		t.Errorf("did\n%s\nwant\n%s", strings.Join(did, "\n"), strings.Join(want, "\n"))
	}
	now, err := s.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := now.left(before), []string{"frontend mine of load balancer kubernetes", "public IP mine", "route mine of route table " + s.table.Name(), "tag since of public IP static"}; !slices.Equal(got, want) {
		t.Errorf("of others there is left\n%s", strings.Join(got, "\n"))
	}
	if lost := before.left(now); len(lost) > 0 || at(now[machine.Key()], "properties", modelApplied) != true {
		t.Errorf("lost: %v; %v", lost, now[machine.Key()])
	}
}

// What a drill took away is given back: a disk of the user's that was attached, routes.
func TestLeftoversTaken(t *testing.T) {
	w := newWorld(t)
	s := w.scene(t)
	machine, disk := azure.MustID(s.nodes[0].ID), w.cluster.GroupID().Resource(disks, "data")
	w.make(t, disk, doc{"properties": doc{"creationData": doc{"createOption": "Empty"}, "diskSizeGB": 4}})
	w.make(t, machine, doc{"properties": doc{"storageProfile": doc{"dataDisks": []any{doc{"lun": 3, "name": "data", "createOption": "Attach", "managedDisk": doc{"id": disk.String()}}}}}})
	s.disks = []azure.ID{disk}
	d := w.begun(t)
	before, err := s.take(t.Context())
	if err == nil {
		err = d.journal.note(&entry{Stage: s.stage(), Before: before})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.make(t, machine, doc{"properties": doc{"storageProfile": doc{"dataDisks": []any{}}}})
	if did, want := w.killed(t, d), []string{"gave back disk data at machine " + s.nodes[0].Name}; !slices.Equal(did, want) {
		t.Errorf("%v", did)
	}
	if now, err := s.take(t.Context()); err != nil || !now.equals(before) {
		t.Errorf("%v: not as before: %v", err, before.left(now))
	}
}

// A cluster that is gone since has left nothing.
func TestLeftoversOfNoCluster(t *testing.T) {
	w := newWorld(t)
	d := w.begun(t)
	gone := w.cluster.GroupID()
	e := &entry{Stage: &stage{Cluster: w.cluster, Group: azure.SubscriptionID(gone.Subscription()).Join("resourceGroups", "gone"), Disks: []azure.ID{gone.Resource(disks, "d")}, Machine: w.cluster}}
	if err := d.journal.note(e); err != nil {
		t.Fatal(err)
	}
	if did := w.killed(t, d); len(did) > 0 {
		t.Errorf("%v", did)
	}
}

// Roles that were changed for as long as a drill lasts, secrets and faults are taken back, too.
func TestLeftoverChanges(t *testing.T) {
	w := newWorld(t)
	e := w.load(t)
	who, _ := e.Actor(e.Clusters[0], estate.ControlPlane, "")
	before := grants(w.load(t), who.Principal)
	other, err := w.AddFault(t.Context(), local.Fault{Action: "Microsoft.Storage/*/write", Status: 503, Times: 9})
	if err != nil {
		t.Fatal(err)
	}
	d := w.begun(t)
	if _, err := d.Assume(t.Context(), []AsIf{{Role: "AcrPull", To: "aks1", At: w.cluster.GroupID()}, {Revoke: true, Role: "Contributor", To: "aks1", At: e.Clusters[0].NodeGroup()}}); err != nil {
		t.Fatal(err)
	}
	planned, err := w.AddFault(t.Context(), local.Fault{Action: "*/read", Status: 503, Times: 9})
	if err == nil {
		err = d.journal.note(&entry{Fault: planned.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	principal := who.Principal
	if err := d.journal.note(&entry{Secret: &secret{principal, "never made"}}); err != nil {
		t.Fatal(err)
	}
	did := w.killed(t, d)
	if len(did) != 3 || did[0] != "removed a planned fault" || !strings.HasPrefix(did[1], "gave back role assignment ") || !strings.HasPrefix(did[2], "removed role assignment ") {
		t.Errorf("%s", strings.Join(did, "\n"))
	}
	after := grants(w.load(t), who.Principal)
	if len(after) != len(before) || after[0].Role != before[0].Role || !after[0].Scope.Equal(before[0].Scope) {
		t.Errorf("%v, before %v", after, before)
	}
	if left, err := w.Faults(t.Context()); err != nil || len(left) != 1 || left[0].ID != other.ID {
		t.Errorf("%v, %v", left, err)
	}
}

// A secret that a drill made for a service principal goes, and no other.
func TestLeftoverSecret(t *testing.T) {
	w := newWorld(t)
	var app struct{ AppID azure.GUID }
	var made struct{ ID azure.PrincipalID }
	if err := errors.Join(w.call(t.Context(), "POST", "/v1.0/applications", doc{"displayName": "sp"}, &app),
		w.call(t.Context(), "POST", "/v1.0/servicePrincipals", doc{"appId": app.AppID}, &made)); err != nil {
		t.Fatal(err)
	}
	token, err := w.bearer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"theirs", "aksid 1"} {
		if _, err := w.AddSecret(t.Context(), token, made.ID, name, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	d := w.begun(t)
	if err := d.journal.note(&entry{Secret: &secret{made.ID, "aksid 1"}}); err != nil {
		t.Fatal(err)
	}
	if did := w.killed(t, d); len(did) != 1 || !strings.HasPrefix(did[0], "removed a client secret of ") {
		t.Errorf("%v", did)
	}
	if left, err := w.Secrets(t.Context(), token, made.ID); err != nil || len(left) != 1 || left[0].Name != "theirs" {
		t.Errorf("%v, %v", left, err)
	}
}

// What cannot be put back yet stays in the journal, and the rest is done.
func TestLeftoversStay(t *testing.T) {
	w := newWorld(t)
	d := w.begun(t)
	locked := w.cluster.GroupID()
	if _, err := d.Assume(t.Context(), []AsIf{{Role: "AcrPull", To: "aks1", At: locked}, {Role: "Reader", To: "aks1", At: azure.SubscriptionID(locked.Subscription())}}); err != nil {
		t.Fatal(err)
	}
	lock := locked.Resource("Microsoft.Authorization/locks", "l")
	if _, err := w.put(t.Context(), lock, doc{"properties": doc{"level": "CanNotDelete"}}); err != nil {
		t.Fatal(err)
	}
	_ = d.journal.close()
	next := &Drill{Azure: w.Azure}
	left, _, err := next.Begin(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ScopeLocked") || len(left) != 1 || len(left[0].Did) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	if err := w.remove(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if did := w.killed(t, next); len(did) != 1 {
		t.Errorf("%v", did)
	}
}

// One drill at a time changes a local Azure; a journal that is damaged is told of, with the way out.
func TestBeginRefused(t *testing.T) {
	w := newWorld(t)
	d := w.begun(t)
	if _, _, err := (&Drill{Azure: w.Azure}).Begin(t.Context()); !errors.Is(err, ErrDrilling) {
		t.Errorf("%v", err)
	}
	_ = d.journal.close()
	for _, text := range []string{"{", "[null]", `[{"given": "x"}]`} {
		if err := os.WriteFile(filepath.Join(w.Dir, journalFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (&Drill{Azure: w.Azure}).Begin(t.Context()); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Every service that operations make is one whose leftovers are known.
func TestServiceNames(t *testing.T) {
	w := newWorld(t)
	s := w.scene(t)
	for _, op := range Operations() {
		if op.step == nil {
			continue
		}
		if step := op.step(s, w.cluster); step.Kind == act.CreateService && !slices.Contains(serviceNames, step.Name) {
			t.Errorf("%s is not known", step.Name)
		}
	}
}
