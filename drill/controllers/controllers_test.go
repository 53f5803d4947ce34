package controllers

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"

	"k8s.io/apimachinery/pkg/types"
)

const patience = time.Minute

// do carries out a step and returns what came of it.
func do(t *testing.T, c *Cluster, s act.Step) *act.Done {
	t.Helper()
	s.Within = patience
	done, err := c.Do(s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// worked checks that a step worked without any refusal.
func worked(t *testing.T, c *Cluster, s act.Step) *act.Done {
	t.Helper()
	done := do(t, c, s)
	if done.Error != "" || len(done.Refused) > 0 || done.Calls == 0 {
		t.Errorf("%s: %s, %d refusals in %d calls", s.Kind, done.Error, len(done.Refused), done.Calls)
	}
	return done
}

// refused checks that a step was refused an action first.
func refused(t *testing.T, c *Cluster, s act.Step, action string) *act.Done {
	t.Helper()
	done := do(t, c, s)
	if len(done.Refused) == 0 || !strings.Contains(string(done.Refused[0].Body), "'"+action+"'") {
		t.Errorf("%s: %s, %d refusals, the first is not of %s", s.Kind, done.Error, len(done.Refused), action)
	}
	return done
}

func event(d *act.Done, reason string) *act.Event {
	for _, e := range d.Events {
		if e.Reason == reason {
			return &e
		}
	}
	return nil
}

// With AKS's own grant everything works, and what was made goes again.
func TestEverythingWorks(t *testing.T) {
	a := shared.cluster(t, "works")
	c := a.open(t)
	external := worked(t, c, act.Step{Kind: act.CreateService, Name: "external"})
	if e := event(external, "EnsuredLoadBalancer"); !strings.HasPrefix(external.Result, "198.18.") || e == nil || e.Object != "Service/external" || e.Source != "service-controller" {
		t.Errorf("%+v", external)
	}
	internal := worked(t, c, act.Step{Kind: act.CreateService, Name: "internal", Internal: true})
	if !strings.HasPrefix(internal.Result, "10.224.") {
		t.Errorf("%+v", internal)
	}
	vnet := a.nodes.Resource("Microsoft.Network/virtualNetworks", a.spec.Config["vnetName"].(string))
	a.call(t, http.MethodPut, vnet.Join("subnets", "inside"), map[string]any{"properties": map[string]any{"addressPrefix": "10.225.0.0/24"}})
	inside := worked(t, c, act.Step{Kind: act.CreateService, Name: "inside", Internal: true, Subnet: "inside"})
	if !strings.HasPrefix(inside.Result, "10.225.0.") {
		t.Errorf("%+v", inside)
	}
	worked(t, c, act.Step{Kind: act.DeleteService, Name: "inside"})
	worked(t, c, act.Step{Kind: act.DeleteService, Name: "internal"})
	worked(t, c, act.Step{Kind: act.DeleteService, Name: "external"})

	worked(t, c, act.Step{Kind: act.JoinNodes})
	table := a.nodes.Resource("Microsoft.Network/routeTables", a.spec.Config["routeTableName"].(string))
	if routes, _ := at(a.call(t, http.MethodGet, table, nil), "properties", "routes").([]any); len(routes) != 2 {
		t.Errorf("routes %v", routes)
	}
	worked(t, c, act.Step{Kind: act.DropRoutes})
	if routes, _ := at(a.call(t, http.MethodGet, table, nil), "properties", "routes").([]any); len(routes) != 0 {
		t.Errorf("routes %v", routes)
	}
	if d := worked(t, c, act.Step{Kind: act.LeaveNode}); event(d, "DeletingNode") == nil {
		t.Errorf("%+v", d.Events)
	}

	disk := worked(t, c, act.Step{Kind: act.CreateDisk, Name: "d", Group: a.nodes.Name()}).Result
	node := a.spec.Nodes[0].Name
	worked(t, c, act.Step{Kind: act.AttachDisk, Disk: disk, Node: node})
	if d := a.call(t, http.MethodGet, azure.MustID(disk), nil); !strings.EqualFold(text(d, "managedBy"), a.spec.Nodes[0].ID) {
		t.Errorf("the disk is at %s", text(d, "managedBy"))
	}
	worked(t, c, act.Step{Kind: act.DetachDisk, Disk: disk, Node: node})
	worked(t, c, act.Step{Kind: act.DeleteDisk, Disk: disk})
}

// Without any right every operation ends at its first call, in the words that an operator sees.
func TestEverythingIsRefused(t *testing.T) {
	a := shared.cluster(t, "refused")
	a.only(t)
	c := a.open(t)
	d := refused(t, c, act.Step{Kind: act.CreateService, Name: "external"}, "Microsoft.Network/loadBalancers/read")
	e := event(d, "SyncLoadBalancerFailed")
	if e == nil || e.Message != d.Error || !strings.HasPrefix(d.Error, "Error syncing load balancer: failed to ensure load balancer: Retriable: false, RetryAfter: 0s, HTTPStatusCode: 403, RawError: ") {
		t.Errorf("%s\n%+v", d.Error, d.Events)
	}
	if own := event(d, "ListLoadBalancers"); own == nil || own.Source != "azure-cloud-provider" {
		t.Errorf("the provider's own event: %+v", d.Events)
	}
	if d := do(t, c, act.Step{Kind: act.DeleteService, Name: "external"}); !strings.HasPrefix(d.Error, "Error syncing load balancer: failed to check if load balancer exists before cleanup: ") {
		t.Errorf("delete-service: %s", d.Error)
	}
	d = refused(t, c, act.Step{Kind: act.JoinNodes}, "Microsoft.Network/routeTables/read")
	if d.Error != errLogged.Error() || len(d.Events) > 0 {
		t.Errorf("a refused list of routes is not told in events: %s, %v", d.Error, d.Events)
	}
	refused(t, c, act.Step{Kind: act.LeaveNode}, "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read")
	d = refused(t, c, act.Step{Kind: act.CreateDisk, Name: "d", Group: a.nodes.Name()}, "Microsoft.Compute/disks/write")
	if e := event(d, "ProvisioningFailed"); e == nil || !strings.HasPrefix(e.Message, `Failed to provision volume with StorageClass "managed": `) || e.Object != "PersistentVolumeClaim/d" {
		t.Errorf("%+v", d.Events)
	}
	disk := a.nodes.Resource("Microsoft.Compute/disks", "d").String()
	d = refused(t, c, act.Step{Kind: act.AttachDisk, Disk: disk, Node: a.spec.Nodes[0].Name}, "Microsoft.Compute/disks/read")
	if e := event(d, "FailedAttachVolume"); e == nil || !strings.HasPrefix(e.Message, `AttachVolume.Attach failed for volume "d" : `) {
		t.Errorf("%+v", d.Events)
	}
	refused(t, c, act.Step{Kind: act.DetachDisk, Disk: disk, Node: a.spec.Nodes[0].Name}, "Microsoft.Compute/virtualMachineScaleSets/read")
	refused(t, c, act.Step{Kind: act.DeleteDisk, Disk: disk}, "Microsoft.Compute/disks/read")
}

// A route that is refused becomes an event.
func TestRouteIsRefused(t *testing.T) {
	a := shared.cluster(t, "routes")
	a.only(t, "*/read")
	d := refused(t, a.open(t), act.Step{Kind: act.JoinNodes}, "Microsoft.Network/routeTables/write")
	if e := event(d, "FailedToCreateRoute"); e == nil || e.Source != "route_controller" || !strings.Contains(e.Message, "AuthorizationFailed") {
		t.Errorf("%+v", d.Events)
	}
}

// The provider swallows a refused deletion of a load balancer: the service goes, the load balancer stays.
func TestRefusedDeletionIsSwallowed(t *testing.T) {
	a := shared.cluster(t, "swallowed")
	a.only(t, "*/read", "*/write", "*/action", "Microsoft.Network/publicIPAddresses/delete")
	c := a.open(t)
	worked(t, c, act.Step{Kind: act.CreateService, Name: "internal", Internal: true})
	d := refused(t, c, act.Step{Kind: act.DeleteService, Name: "internal"}, "Microsoft.Network/loadBalancers/delete")
	if d.Error != "" || event(d, "DeletedLoadBalancer") == nil {
		t.Errorf("%s, %+v", d.Error, d.Events)
	}
	if lb := a.call(t, http.MethodGet, a.nodes.Resource("Microsoft.Network/loadBalancers", "kubernetes-internal"), nil); lb == nil {
		t.Error("the load balancer is gone")
	}
}

// What was refused is not tried again while something else is drilled.
func TestControllersRest(t *testing.T) {
	a := shared.cluster(t, "rests")
	a.only(t, "Microsoft.Compute/*")
	c := a.open(t)
	do(t, c, act.Step{Kind: act.CreateService, Name: "external"})
	do(t, c, act.Step{Kind: act.DeleteService, Name: "external"})
	do(t, c, act.Step{Kind: act.JoinNodes})
	for range 3 {
		if d := worked(t, c, act.Step{Kind: act.LeaveNode}); len(d.Events) != 1 {
			t.Errorf("%+v", d.Events)
		}
	}
}

// With patience, failures that are not for want of a right are got over, as controllers do; a refusal ends it all the same.
func TestControllersPersist(t *testing.T) {
	a := shared.cluster(t, "persists")
	c := a.open(t)
	fail := func(action string) {
		t.Helper()
		if _, err := shared.AddFault(t.Context(), local.Fault{Action: action, Status: http.StatusServiceUnavailable, Times: 1}); err != nil {
			t.Fatal(err)
		}
	}
	disk := act.Step{Kind: act.CreateDisk, Name: "d", Group: a.nodes.Name()}
	fail("Microsoft.Compute/disks/write")
	if d := do(t, c, disk); d.Error == "" || len(d.Refused) != 1 || d.Refused[0].Status != http.StatusServiceUnavailable {
		t.Errorf("without patience: %+v", d)
	}
	for _, step := range []act.Step{disk, {Kind: act.CreateService, Name: "external"}, {Kind: act.DeleteService, Name: "external"}, {Kind: act.LeaveNode}} {
		fail(map[act.Kind]string{act.CreateDisk: "Microsoft.Compute/disks/write", act.CreateService: "Microsoft.Network/publicIPAddresses/write", act.DeleteService: "Microsoft.Network/publicIPAddresses/delete"}[step.Kind] +
			map[act.Kind]string{act.LeaveNode: "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read"}[step.Kind])
		step.Persist = true
		if d := do(t, c, step); d.Error != "" || len(d.Refused) == 0 {
			t.Errorf("%s: %s, %d failures in %v", step.Kind, d.Error, len(d.Refused), d.Took)
		}
	}
	a.only(t)
	disk.Persist, disk.Name = true, "e"
	refused(t, c, disk, "Microsoft.Compute/disks/write")
}

// Clusters side by side are who they are, although a system-assigned identity is not named in a request for a token.
func TestClustersSideBySide(t *testing.T) {
	may, mayNot := shared.cluster(t, "may"), shared.cluster(t, "maynot")
	mayNot.only(t)
	var tasks sync.WaitGroup
	for range 4 {
		tasks.Go(func() { worked(t, may.open(t), act.Step{Kind: act.LeaveNode}) })
		tasks.Go(func() {
			d := refused(t, mayNot.open(t), act.Step{Kind: act.LeaveNode}, "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read")
			if len(d.Refused) > 0 && !strings.Contains(string(d.Refused[0].Body), mayNot.principal) {
				t.Errorf("refused to somebody else: %s", d.Refused[0].Body)
			}
		})
	}
	tasks.Wait()
}

// Nodes pull as the kubelet; the registry's refusal is the container runtime's error, and an event.
func TestPullImage(t *testing.T) {
	a := shared.cluster(t, "pulls")
	registry := a.id.GroupID().Resource("Microsoft.ContainerRegistry/registries", "drillpulls")
	a.put(t, registry, doc{"sku": doc{"name": "Standard"}})
	node := a.call(t, http.MethodGet, a.id, nil)
	a.principal = text(node, "properties", "identityProfile", "kubeletidentity", "objectId")
	a.nodes = registry.GroupID()
	a.only(t) // also where the test runs again
	c := a.open(t)
	step := act.Step{Kind: act.PullImage, Image: "drillpulls.azurecr.io/app:1"}
	d := do(t, c, step)
	if e := event(d, "Failed"); len(d.Refused) == 0 || e == nil || !strings.HasPrefix(e.Message, `Failed to pull image "drillpulls.azurecr.io/app:1": `) || !strings.Contains(d.Error, "UNAUTHORIZED") {
		t.Errorf("%+v", d)
	}
	a.only(t, "Microsoft.ContainerRegistry/registries/pull/read")
	worked(t, a.open(t), step)
	public := do(t, c, act.Step{Kind: act.PullImage, Image: "::no image"})
	if public.Error == "" {
		t.Error("no image's name")
	}
}

// What was not asked for in a way that is understood is an error of the program, and not of the cluster.
func TestOpenAndDoRefuse(t *testing.T) {
	a := shared.cluster(t, "asks")
	if _, err := a.open(t).Do(act.Step{Kind: "dance"}); err == nil {
		t.Error("a step that there is not")
	}
	for name, spec := range map[string]act.Cluster{"no id": {ID: "x"}, "a group": {ID: "/subscriptions/s/resourceGroups/g"}, "another resource": {ID: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/x"}} {
		if _, err := shared.azure.Open(spec); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
	closed, err := shared.azure.Open(a.spec)
	if err != nil {
		t.Fatal(err)
	}
	host := closed.control.host
	closed.Close()
	if shared.azure.client(host) != nil {
		t.Error("a closed cluster is still known")
	}
}

// Services that share an address have ports of their own.
func TestPorts(t *testing.T) {
	for _, name := range []string{"a", "b", "drill-external", "drill-second"} {
		if p := portOf(types.UID(act.ServiceUID("/c", name))); p < 1024 || p > 1024+255<<4+255 {
			t.Errorf("port %d", p)
		}
	}
}
