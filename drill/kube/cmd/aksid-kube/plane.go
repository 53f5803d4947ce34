package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"aksid/internal/drill/act"
)

// plane is a control plane with what runs of it.
type plane struct {
	act.Plane
	port  string // of the API server
	token string // of this program and the controllers
	parts []part // what runs, in the order in which it was started
	ended chan error
}

// part is something that runs until it is stopped.
type part struct{ stop func() }

// startWithin is how long the API server may take until it is ready: it takes seconds, on a busy machine longer.
const startWithin = 2 * time.Minute

// run reads which control plane to run, says when it is ready, and keeps its nodes in step until the input ends.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), act.MaxLine)
	p := &plane{ended: make(chan error, 3)}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p.Plane) != nil {
		return errors.New("no control plane is asked for; this is aksid's, run: aksid kubernetes CLUSTER")
	}
	if p.Version != act.Version {
		return fmt.Errorf("it is of another version (%d) than this aksid (%d)", act.Version, p.Version)
	}
	defer p.stop()
	client, err := p.start(ctx)
	if err != nil {
		return err
	}
	if err := p.keepNodes(ctx, client, p.Cluster.Nodes); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(act.Ready{Version: act.Version, Kubernetes: kubernetesVersion(), Addr: net.JoinHostPort(loopback, p.port)}); err != nil {
		return err
	}
	return p.follow(ctx, client, lines)
}

// follow keeps the nodes in step with what is said on the input, until that ends or a part of the control plane does.
func (p *plane) follow(ctx context.Context, client kubernetes.Interface, lines *bufio.Scanner) error {
	input := make(chan error, 1)
	go func() {
		for lines.Scan() {
			var nodes []act.Node
			if err := json.Unmarshal(lines.Bytes(), &nodes); err != nil {
				input <- err
				return
			}
			if err := p.keepNodes(ctx, client, nodes); err != nil {
				fmt.Fprintln(os.Stderr, err) // the next list may do
			}
		}
		input <- lines.Err()
	}()
	select {
	case err := <-input:
		return err
	case err := <-p.ended:
		return err
	}
}

// start starts etcd, the API server and the controllers, each when what it needs is there.
func (p *plane) start(ctx context.Context) (kubernetes.Interface, error) {
	var err error
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := p.writeFiles(); err != nil {
		return nil, err
	}
	if err := os.Chdir(p.Folder); err != nil {
		return nil, err
	}
	store, err := p.startEtcd()
	if err != nil {
		return nil, err
	}
	if err := p.startRole("kube-apiserver", p.apiFlags(store)); err != nil {
		return nil, err
	}
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx, client); err != nil {
		return nil, err
	}
	if err := p.bindAdmins(ctx, client); err != nil {
		return nil, err
	}
	return client, p.startRole("kube-controller-manager", p.controllerFlags())
}

func (p *plane) awaitReady(ctx context.Context, client kubernetes.Interface) error {
	late := time.After(startWithin)
	for {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case failed := <-p.ended:
			return failed
		case <-late:
			return fmt.Errorf("the API server is not ready after %s (%v); see %s", startWithin, err, p.log("kube-apiserver"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop stops what runs, what was started last first.
func (p *plane) stop() {
	for i := len(p.parts) - 1; i >= 0; i-- {
		p.parts[i].stop()
	}
}

// client is an administrator's client.
func (p *plane) client() (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(&rest.Config{Host: p.server(), BearerToken: p.token, QPS: 100, Burst: 200,
		TLSClientConfig: rest.TLSClientConfig{CAData: []byte(p.Keys.Authority), ServerName: p.Host}})
}

const loopback = "127.0.0.1"

func (p *plane) server() string { return "https://" + net.JoinHostPort(loopback, p.port) }

func (p *plane) file(name string) string { return filepath.Join(p.Folder, name) }

func (p *plane) log(role string) string { return p.file(role + ".log") }

func freePort() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// lastLines is the end of a log, for who has to be told why something ended.
func lastLines(path string) string {
	const most = 2 << 10
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// kubernetesVersion is the version of what runs.
func kubernetesVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "k8s.io/kubernetes" {
				return m.Version
			}
		}
	}
	return "v0.0.0" // not built as a module
}
