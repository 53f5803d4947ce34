package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// A program that is another one, or an older one, is found out at once.
func TestProgramGreets(t *testing.T) {
	for how, want := range map[string]string{"other": "does not answer as", "old": "another version"} {
		if p, err := program(t, how, "data"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", how, p, err)
		}
	}
	if _, err := Start(t.Context(), "/nowhere/"+act.Program, "data"); err == nil {
		t.Error("a program that is not there")
	}
}

// What ends a program is told, to all who wait and all who ask afterwards.
func TestProgramCrashes(t *testing.T) {
	p, err := program(t, "crash", "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context(), act.Cluster{ID: "/c"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.Do(t.Context(), "/c", act.Step{Kind: act.LeaveNode}); err == nil || !strings.Contains(err.Error(), "has ended") {
			t.Errorf("%v", err)
		}
	}
	if !strings.Contains(p.crash().Error(), "out of cheese") {
		t.Errorf("the last words are not told: %v", p.crash())
	}
}

func TestProgramRefusesToOpen(t *testing.T) {
	p, err := program(t, "closed", "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context(), act.Cluster{ID: "/c"}); err == nil || err.Error() != "it does not open" {
		t.Errorf("%v", err)
	}
}

func TestProgramIsWaitedForNoLongerThanWanted(t *testing.T) {
	p, err := program(t, "hangs", "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context(), act.Cluster{ID: "/c"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Do(ctx, "/c", act.Step{Kind: act.LeaveNode}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Every operation that the cluster's shape allows is acted out, predicted, and told of.
func TestDrill(t *testing.T) {
	w := newWorld(t)
	r, err := w.drill(t, "works")
	if err != nil {
		t.Fatal(err)
	}
	c := r.Clusters[0]
	var names []string
	for _, op := range c.Operations {
		names = append(names, op.Operation)
		if op.Acted.Outcome != Works || !op.Agrees || op.Predicted.Outcome != Works {
			t.Errorf("%+v", op)
		}
	}
	const want = "external-service second-service second-service-deletion external-service-deletion internal-service internal-service-deletion " +
		"node-join route-deletion node-leave disk disk-attach disk-detach disk-deletion"
	if strings.Join(names, " ") != want || c.Name != "aks1" || c.Identity != "aks1" || c.Left != "" || r.Kubernetes != "v1.29.15" {
		t.Errorf("%v of %+v", names, c)
	}
	if want := (Summary{Operations: 13, Worked: 13}); r.Summary != want {
		t.Errorf("%+v", r.Summary)
	}
}

// What comes after something that was refused is not tried; what was not predicted is counted.
func TestDrillRefused(t *testing.T) {
	w := newWorld(t)
	r, err := w.drill(t, "refuses", "external", "disk-attach")
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Operations: 3, Worked: 2, Refused: 1, Skipped: 3, Unforeseen: 1} // nothing is missing in truth
	if r.Summary != want {
		t.Errorf("%+v", r.Summary)
	}
}

// What is left behind is told and removed.
func TestDrillLeaks(t *testing.T) {
	w := newWorld(t)
	before := w.picture(t)
	r, err := w.drill(t, "leaks", "internal")
	if err != nil {
		t.Fatal(err)
	}
	ops := r.Clusters[0].Operations
	if got := ops[len(ops)-1].Acted.Leaked; !slices.Equal(got, []string{"public IP left-behind"}) {
		t.Errorf("left behind: %v", got)
	}
	if after := w.picture(t); !after.equals(before) || r.Clusters[0].Left != "" {
		t.Errorf("not put back: %s", r.Clusters[0].Left)
	}
}

// Azure fails on purpose while an operation is carried out, and at no other time.
func TestDrillFaults(t *testing.T) {
	w := newWorld(t)
	e := w.load(t)
	t.Setenv(asProgram, "persists")
	r, err := Drill{Azure: w.Azure, Program: os.Args[0], Only: []string{"disk"}, Faults: true}.Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range r.Clusters[0].Operations {
		if op.Acted.Outcome != Works || !slices.Equal(op.Acted.Faults, []string{"429 on PUT faulty"}) {
			t.Errorf("%s: %+v", op.Operation, op.Acted)
		}
	}
	if left, err := w.Faults(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("faults are left: %v, %v", left, err)
	}
}

func (w *world) scene(t *testing.T) *scene {
	t.Helper()
	e := w.load(t)
	s, err := setScene(t.Context(), w.operator, e, e.Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) picture(t *testing.T) picture {
	t.Helper()
	p, err := w.scene(t).take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A picture is restored whatever was changed: made, written, attached, in use.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	s := w.scene(t)
	before := w.picture(t)
	nodes, machine := s.NodeGroup(), azure.MustID(s.nodes[0].ID)
	disk, ip := nodes.Resource(disks, "d"), nodes.Resource(publicIPs, "p")
	lb := nodes.Resource(loadBalancers, "kubernetes-internal")
	put := func(id azure.ID, body doc) {
		t.Helper()
		body["location"] = region
		if _, err := w.put(t.Context(), id, body); err != nil {
			t.Fatal(err)
		}
	}
	put(disk, doc{"properties": doc{"creationData": doc{"createOption": "Empty"}, "diskSizeGB": 4}})
	put(machine, doc{"properties": doc{"storageProfile": doc{"dataDisks": []any{doc{"lun": 0, "name": "d", "createOption": "Attach", "managedDisk": doc{"id": disk.String()}}}}}})
	put(ip, doc{"sku": standard, "properties": doc{"publicIPAllocationMethod": "Static"}})
	put(lb, doc{"sku": standard, "properties": doc{"frontendIPConfigurations": []any{doc{"name": "f", "properties": doc{"publicIPAddress": doc{"id": ip.String()}}}}}})
	put(s.table, doc{"properties": doc{"routes": []any{doc{"name": "r", "properties": doc{"addressPrefix": "10.244.0.0/24", "nextHopType": "VirtualAppliance", "nextHopIpAddress": s.nodes[0].IP}}}}})
	left := w.picture(t).left(before)
	want := []string{"disk d", "disk d at machine " + s.nodes[0].Name, "load balancer kubernetes-internal", "public IP p", "route r of route table " + s.table.Name()}
	if !slices.Equal(left, want) {
		t.Errorf("left:\n%s\nwant:\n%s", strings.Join(left, "\n"), strings.Join(want, "\n"))
	}
	s.before = before
	if err := s.restore(t.Context()); err != nil {
		t.Error(err)
	}
	if now := w.picture(t); !now.equals(before) {
		t.Errorf("still there: %v", now.left(before))
	}
}

// Roles are given and taken for as long as asked, and are as before afterwards.
func TestAssume(t *testing.T) {
	w := newWorld(t)
	e := w.load(t)
	who, _ := e.Actor(e.Clusters[0], estate.ControlPlane, "")
	group := e.Clusters[0].NodeGroup()
	d := Drill{Azure: w.Azure}
	before := fmt.Sprint(grants(w.load(t), who.Principal))
	undo, err := d.Assume(t.Context(), []AsIf{{Role: "AcrPull", To: "aks1", At: w.cluster.GroupID()}, {Revoke: true, Role: "contributor", To: who.Principal.String(), At: group}})
	if err != nil {
		t.Fatal(err)
	}
	during := grants(w.load(t), who.Principal)
	if len(during) != 1 || during[0].Role != roleOf("AcrPull") || !during[0].Scope.Equal(w.cluster.GroupID()) {
		t.Errorf("during: %v", during)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	if after := fmt.Sprint(grants(w.load(t), who.Principal)); after != before {
		t.Errorf("after: %s\nbefore: %s", after, before)
	}
	for _, c := range []AsIf{
		{Role: "AcrPull", To: "nobody", At: group}, {Role: "Chief", To: "aks1", At: group}, {Revoke: true, Role: "Owner", To: "aks1", At: group},
	} {
		if _, err := d.Assume(t.Context(), []AsIf{{Role: "AcrPull", To: "aks1", At: w.cluster.GroupID()}, c}); err == nil {
			t.Errorf("%+v was assumed", c)
		}
	}
	if after := fmt.Sprint(grants(w.load(t), who.Principal)); after != before {
		t.Errorf("after a change that cannot be made: %s\nbefore: %s", after, before)
	}
}

type granted struct {
	ID    azure.ID
	Role  azure.GUID
	Scope azure.ID
}

func grants(e *estate.Estate, p azure.PrincipalID) (all []granted) {
	for _, g := range e.Held(p) {
		all = append(all, granted{g.ID, g.Role, g.Scope})
	}
	return all
}

// Agreement finds fault where the program does not do what is predicted: the stand-in says that everything works.
func TestAgreementFindsFault(t *testing.T) {
	t.Setenv(asProgram, "works")
	dirs := 0
	a := Agreement{Configurations: 12, Seed: 1, Batch: 6, Parallel: 2, Program: os.Args[0], NewAzure: func(ctx context.Context) (*local.Azure, func() error, error) {
		dirs++
		return openAzure(ctx, t.TempDir())
	}}
	tally, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tally.Configurations != 12 || dirs != 2 || tally.Refused != 0 || tally.Agreements+len(tally.Disagreements) != tally.Operations || len(tally.Disagreements) == 0 {
		t.Errorf("%+v", tally)
	}
	for _, d := range tally.Disagreements {
		if d.Predicted.Outcome != Refused || d.Acted.Outcome != Works || len(d.Predicted.Missing) == 0 || len(d.Shape) == 0 {
			t.Errorf("%+v", d)
		}
	}
}

// A configuration follows from the seed and its number.
func TestConfigurationsRepeat(t *testing.T) {
	says := func(seed, number int) string {
		o := &operator{Azure: newAzure(t)}
		if err := o.makeTopGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := newConfiguration(o, seed, number)
		if err := c.build(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, sub := range o.Subscriptions { // whose ids are new in each local Azure
			for j, s := range c.says {
				c.says[j] = strings.ReplaceAll(s, sub.ID, fmt.Sprint("sub", i))
			}
		}
		return strings.Join(c.says, "\n")
	}
	one := says(3, 4)
	if again := says(3, 4); again != one {
		t.Errorf("%s\nis another time\n%s", one, again)
	}
	if says(3, 5) == one || says(4, 4) == one {
		t.Error("other configurations are alike")
	}
}

// Who interrupts a drill before the program has said anything is not told that the program is broken.
func TestStartInterrupted(t *testing.T) {
	t.Setenv(asProgram, "works")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, os.Args[0], t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A cluster that cannot be drilled says why, and what to do.
func TestNotDrilled(t *testing.T) {
	pools := []any{map[string]any{"name": "p", "count": 0}}
	for want, properties := range map[string]map[string]any{
		"its state is Updating":  {"provisioningState": "Updating"},
		"az aks start -g rg":     {"provisioningState": "Succeeded", "powerState": map[string]any{"code": "Stopped"}, "agentPoolProfiles": pools},
		"it has no node pools":   {"agentPoolProfiles": []any{}},
		"did to it last":         {"provisioningState": "Failed", "agentPoolProfiles": pools},
		"it has no nodes":        {"provisioningState": "succeeded", "agentPoolProfiles": pools},
		"its state is Creating;": {"provisioningState": "Creating"},
	} {
		c := &estate.Cluster{Resource: estate.Resource{ID: clusterID, Doc: map[string]any{"properties": properties}}}
		why := busy(c)
		if why == "" {
			why = nodeless(c)
		}
		if !strings.Contains(why, want) {
			t.Errorf("%v: %q", properties, why)
		}
	}
	r := Result{Clusters: []Cluster{{NotDrilled: "x"}, {}}}
	if r.Undrilled() || !(Result{Clusters: r.Clusters[:1]}).Undrilled() || (Result{}).Undrilled() {
		t.Error("whether any cluster was drilled")
	}
}
