package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	cloudprovider "k8s.io/cloud-provider"
	nodelifecycle "k8s.io/cloud-provider/controllers/nodelifecycle"
	"k8s.io/cloud-provider/controllers/route"
	"k8s.io/cloud-provider/controllers/service"
	provider "k8s.io/legacy-cloud-providers/azure"

	"aksid/internal/drill/act"
)

// clusterName is what AKS calls every cluster towards the provider: its load balancer's name.
const clusterName = "kubernetes"

// Cluster is a running control plane: an in-memory API, the controllers, and the provider.
type Cluster struct {
	act.Cluster
	azure    *Azure
	record   *record
	control  *client
	kubelet  *client // nil: nodes pull as the control plane
	api      *fake.Clientset
	cloud    *provider.Cloud
	inform   informers.SharedInformerFactory
	services context.CancelFunc // stops the service controller; nil: it does not run
	context.Context
	stop context.CancelFunc
}

// Open starts a cluster's control plane. Its controllers start when a step needs them.
func (a *Azure) Open(spec act.Cluster) (*Cluster, error) {
	if _, err := clusterID(spec.ID); err != nil {
		return nil, err
	}
	c := &Cluster{Cluster: spec, azure: a, record: newRecord()}
	c.Context, c.stop = context.WithCancel(context.Background())
	c.control = a.join(spec.Machine, c.Place, c.record)
	if k := spec.Kubelet; k != nil {
		c.kubelet = a.join(k.Machine, c.Place, c.record)
	}
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) open() error {
	c.api = fake.NewSimpleClientset(c.objects()...)
	c.api.PrependReactor("*", "events", c.seeEvent)
	c.api.PrependReactor("patch", "services", c.letGo)
	config, err := cloudConfig(c.Config, c.control)
	if err != nil {
		return err
	}
	cloud, err := provider.NewCloud(strings.NewReader(string(config)))
	if err != nil {
		return err
	}
	c.cloud = cloud.(*provider.Cloud)
	c.cloud.Initialize(builder{c.api}, c.Done())
	c.inform = informers.NewSharedInformerFactory(c.api, 0)
	c.cloud.SetInformers(c.inform)
	c.inform.Core().V1().Services().Informer()
	c.inform.Start(c.Done())
	c.inform.WaitForCacheSync(c.Done())
	return nil
}

// Close stops the control plane.
func (c *Cluster) Close() {
	c.stop()
	c.azure.leave(c.control)
	if c.kubelet != nil {
		c.azure.leave(c.kubelet)
	}
}

// cloudConfig is azure.json with the address at which a client finds Azure.
func cloudConfig(config map[string]any, c *client) ([]byte, error) {
	out := map[string]any{"resourceManagerEndpoint": c.endpoint()}
	for k, v := range config {
		out[k] = v
	}
	return json.Marshal(out)
}

// builder gives every controller the same client.
type builder struct{ api kubernetes.Interface }

func (b builder) Config(string) (*rest.Config, error) {
	return nil, errors.New("there is no API server")
}
func (b builder) ConfigOrDie(string) *rest.Config             { panic("there is no API server") }
func (b builder) Client(string) (kubernetes.Interface, error) { return b.api, nil }
func (b builder) ClientOrDie(string) kubernetes.Interface     { return b.api }

// seeEvent notes events; nobody reads them from the API.
func (c *Cluster) seeEvent(a clienttesting.Action) (bool, runtime.Object, error) {
	if create, ok := a.(clienttesting.CreateAction); ok {
		if e, ok := create.GetObject().(*corev1.Event); ok {
			c.record.happened(e)
			return true, e, nil
		}
	}
	return true, &corev1.Event{}, nil
}

// letGo removes a service that is being deleted when the controller lets go of it, as an API server does. The in-memory one
// would keep it, and the controller would take it for one that wants a load balancer.
func (c *Cluster) letGo(a clienttesting.Action) (bool, runtime.Object, error) {
	patch, ok := a.(clienttesting.PatchAction)
	if !ok || !strings.Contains(string(patch.GetPatch()), "finalizers") {
		return false, nil, nil
	}
	old, err := c.api.Tracker().Get(a.GetResource(), a.GetNamespace(), patch.GetName())
	svc, ok := old.(*corev1.Service)
	if err != nil || !ok || svc.DeletionTimestamp == nil {
		return false, nil, nil
	}
	return true, svc, c.api.Tracker().Delete(a.GetResource(), a.GetNamespace(), patch.GetName())
}

func (c *Cluster) objects() []runtime.Object {
	var out []runtime.Object
	for _, n := range c.Nodes {
		out = append(out, c.node(n, corev1.ConditionTrue))
	}
	return out
}

// node is a machine as a node.
func (c *Cluster) node(n act.Node, ready corev1.ConditionStatus) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: types.UID(n.Name), Labels: map[string]string{
			corev1.LabelHostname: n.Name, corev1.LabelTopologyRegion: fmt.Sprint(c.Config["location"]),
		}},
		Spec: corev1.NodeSpec{ProviderID: "azure://" + n.ID},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.IP}, {Type: corev1.NodeHostName, Address: n.Name}},
		},
	}
	if n.PodCIDR != "" {
		node.Spec.PodCIDR, node.Spec.PodCIDRs = n.PodCIDR, []string{n.PodCIDR}
	}
	return node
}

// runServices starts the service controller, unless it runs.
func (c *Cluster) runServices() error {
	if c.services != nil {
		return nil
	}
	core := c.inform.Core().V1()
	controller, err := service.New(withSteadyNodes{c.cloud}, c.api, core.Services(), core.Nodes(), clusterName, utilfeature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	var running context.Context
	running, c.services = context.WithCancel(c)
	go controller.Run(running, 1, started)
	return nil
}

// withSteadyNodes is the provider for a service controller that has just started: it takes all nodes for new and would
// update the load balancers of all services, at the same time as the one that is drilled. Nodes do not change meanwhile.
type withSteadyNodes struct{ *provider.Cloud }

func (p withSteadyNodes) LoadBalancer() (cloudprovider.LoadBalancer, bool) {
	lb, ok := p.Cloud.LoadBalancer()
	return steadyBalancer{lb}, ok
}

type steadyBalancer struct{ cloudprovider.LoadBalancer }

func (steadyBalancer) UpdateLoadBalancer(context.Context, string, *corev1.Service, []*corev1.Node) error {
	return nil
}

// stopServices keeps the service controller from trying again what was refused while something else is drilled. It lets the
// controller end what it is at.
func (c *Cluster) stopServices() {
	if c.services != nil {
		c.services()
		c.services = nil
		c.record.quiet(c)
	}
}

// once is so long that a controller that looks this often looks once.
const once = time.Hour

// runRoutes lets the route controller look at the nodes once.
func (c *Cluster) runRoutes() (stop func(), err error) {
	_, cidr, err := net.ParseCIDR(c.PodCIDR)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(c)
	go route.New(c.cloud, c.api, c.inform.Core().V1().Nodes(), clusterName, []*net.IPNet{cidr}).Run(running, once, started)
	return stop, nil
}

// runLifecycle lets the node life cycle controller look at the nodes once.
func (c *Cluster) runLifecycle() (stop func(), err error) {
	controller, err := nodelifecycle.NewCloudNodeLifecycleController(c.inform.Core().V1().Nodes(), c.api, c.cloud, once)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(c)
	go controller.Run(running, started)
	return stop, nil
}

// Do carries out a step, to success or to its first refusal. An error is one of this program, not of the cluster.
func (c *Cluster) Do(step act.Step) (*act.Done, error) {
	do, ok := map[act.Kind]func(act.Step) (string, error){
		act.CreateService: c.createService, act.DeleteService: c.deleteService,
		act.JoinNodes: c.joinNodes, act.LeaveNode: c.leaveNode, act.DropRoutes: c.dropRoutes,
		act.CreateDisk: c.createDisk, act.AttachDisk: c.attachDisk, act.DetachDisk: c.detachDisk, act.DeleteDisk: c.deleteDisk,
		act.PullImage: c.pullImage,
	}[step.Kind]
	if !ok {
		return nil, fmt.Errorf("there is no step %q", step.Kind)
	}
	if step.Kind != act.CreateService && step.Kind != act.DeleteService {
		c.stopServices()
	}
	c.record.begin()
	begun := time.Now()
	result, err := do(step)
	for err != nil && c.mayRepeat(step, begun) {
		c.record.again()
		result, err = do(step)
	}
	done := c.record.done(time.Since(begun))
	done.Result = result
	if step.Kind == act.DeleteService && (err != nil || len(done.Refused) > 0) {
		c.stopServices()
	}
	if err != nil {
		done.Error = err.Error()
	}
	return done, nil
}

// mayRepeat waits until a controller would try again what failed for another reason than a right, if the step is to go on
// then. The service controller does that by itself.
func (c *Cluster) mayRepeat(step act.Step, begun time.Time) bool {
	byItself := step.Kind == act.CreateService || step.Kind == act.DeleteService
	if !step.Persist || byItself || c.record.forbidden() || time.Since(begun) > step.Within {
		return false
	}
	select {
	case <-c.Done():
		return false
	case <-time.After(time.Second):
		return true
	}
}

// errNothing says that the controllers neither finished nor said anything.
var errNothing = errors.New("nothing happened for as long as the drill waits")
