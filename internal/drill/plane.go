package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// Plane runs a whole control plane of Kubernetes for a cluster of a local Azure, in a program of its own: kube-apiserver,
// which the kubeconfigs of the cluster open, and kube-controller-manager, which acts in Azure as the cluster's identity.
type Plane struct {
	Azure   *local.Azure
	Program string // path of the control plane's program
	Cluster azure.ID
}

// RunningPlane is what runs.
type RunningPlane struct {
	local.ControlPlane
	Kubernetes string // version
	Identity   string // whom it acts as
	Entra      bool   // tokens of Entra open it
	Nodes      int
}

// ErrRuns says that a control plane of the cluster is running already.
var ErrRuns = errors.New("a control plane of the cluster is running already")

// Run runs the control plane until the context ends, and calls ready once its API server answers. Nodes follow the
// machines of the cluster's scale sets.
func (p Plane) Run(ctx context.Context, ready func(RunningPlane)) (err error) {
	e, c, err := p.read(ctx)
	if err != nil {
		return err
	}
	o := &operator{Azure: p.Azure}
	s, err := setScene(ctx, o, e, c)
	if err != nil {
		return fmt.Errorf("no control plane for %s: %w", c.ID.Name(), err)
	}
	keys, err := p.Azure.OpenAPIServer(ctx, p.Cluster)
	if err != nil {
		return err
	}
	if old, ok := p.Azure.Plane(keys.Host); ok && old.Answers() {
		return fmt.Errorf("%w (process %d)", ErrRuns, old.PID)
	}
	cluster, forget, err := s.act(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget()) }()
	door, err := openDoor(p.Azure, cluster)
	if err != nil {
		return err
	}
	defer door.Close()
	child, err := startPlane(ctx, p.Program, s.plane(cluster, keys, p.Azure.PlaneFolder(keys), door.url))
	if err != nil {
		return err
	}
	defer child.close()
	running := RunningPlane{ControlPlane: local.ControlPlane{Cluster: p.Cluster, Host: keys.Host, Addr: child.ready.Addr, PID: os.Getpid()},
		Kubernetes: child.ready.Kubernetes, Identity: s.control.Name, Entra: entra(s.Cluster, door.url) != nil, Nodes: len(s.nodes)}
	if err := local.PublishPlane(p.Azure.Dir, running.ControlPlane); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.WithdrawPlane(p.Azure.Dir, running.ControlPlane)) }()
	ready(running)
	return s.follow(ctx, child)
}

// read reads the cluster as check does.
func (p Plane) read(ctx context.Context) (*estate.Estate, *estate.Cluster, error) {
	l, err := estate.LocalAzure(p.Azure)
	if err != nil {
		return nil, nil, err
	}
	e, err := l.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range e.Clusters {
		if c.ID.Equal(p.Cluster) {
			return e, c, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no cluster %s", p.Cluster)
}

// plane is the control plane as its program takes it. Nodes get their addresses for pods from its own controller.
func (s *scene) plane(cluster act.Cluster, keys local.APIServer, folder, door string) act.Plane {
	cluster.Nodes = withoutPodCIDR(cluster.Nodes)
	if cidr := s.Text("properties.networkProfile.podCidr"); s.Kubenet() && cidr != "" {
		cluster.PodCIDR = cidr
	}
	for _, cache := range []string{"vmssCacheTTLInSeconds", "vmssVirtualMachinesCacheTTLInSeconds"} {
		cluster.Config[cache] = 10 // of 600: machines come and go here within minutes
	}
	services := s.Text("properties.networkProfile.serviceCidr")
	if services == "" {
		services = "10.0.0.0/16"
	}
	return act.Plane{Version: act.Version, Cluster: cluster, Folder: folder, Azure: door, Host: keys.Host, ServiceCIDR: services,
		Kubelet: "v" + s.Text("properties.currentKubernetesVersion"),
		Entra:   entra(s.Cluster, door),
		Keys:    act.Keys{Authority: keys.Authority, Certificate: keys.Certificate, Key: keys.Key, Tokens: keys.Tokens, Issuer: keys.Issuer, IssuerKey: keys.IssuerKey}}
}

func withoutPodCIDR(nodes []act.Node) []act.Node {
	out := make([]act.Node, len(nodes))
	for i, n := range nodes {
		n.PodCIDR = ""
		out[i] = n
	}
	return out
}

// lookEvery is how often the machines of a cluster are looked at.
const lookEvery = 2 * time.Second

// follow tells a control plane of the machines that there are, until the context or the program ends.
func (s *scene) follow(ctx context.Context, child *planeProgram) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for told := s.nodes; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-child.ended:
			return child.crash()
		case <-tick.C:
		}
		s.nodes, s.set = nil, nil
		if err := s.readNodes(ctx); err != nil && !errors.Is(err, ErrNoNodes) || reflect.DeepEqual(told, s.nodes) {
			continue // what cannot be read now is read the next time
		}
		told = s.nodes
		if err := child.say(withoutPodCIDR(told)); err != nil {
			return child.crash()
		}
	}
}

// planeProgram is a control plane's running program.
type planeProgram struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	said  *tail
	ready act.Ready
	ended chan struct{}
}

// startPlane starts the program and waits until the API server answers.
func startPlane(ctx context.Context, path string, plane act.Plane) (*planeProgram, error) {
	p := &planeProgram{cmd: exec.Command(path), said: &tail{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.said
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	greeted := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p.ready) != nil {
			greeted <- errors.New("no answer")
		} else if p.ready.Version != act.Version {
			greeted <- fmt.Errorf("%s is of another version (%d) than this aksid (%d)", path, p.ready.Version, act.Version)
		} else {
			greeted <- nil
		}
		_, _ = io.Copy(io.Discard, out)
		_ = p.cmd.Wait() // what it said last counts
		close(p.ended)
	}()
	if err := p.say(plane); err != nil {
		p.close()
		return nil, p.crash()
	}
	select {
	case err = <-greeted:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		return p, nil
	}
	p.close()
	if ctx.Err() != nil || p.ready.Version != 0 {
		return nil, err
	}
	return nil, p.crash()
}

func (p *planeProgram) say(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.in.Write(append(line, '\n'))
	return err
}

// close lets the program end by itself, for as long as that takes in general.
func (p *planeProgram) close() {
	p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

func (p *planeProgram) crash() error {
	return fmt.Errorf("%s has ended; its last words: %s", act.PlaneProgram, p.said)
}
