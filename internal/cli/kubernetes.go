package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/drill"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

func newKubernetes(a *App) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "kubernetes CLUSTER",
		Short: "Run a control plane of Kubernetes for a cluster of the local Azure",
		Long: `Run kube-apiserver and kube-controller-manager for a cluster of the running local Azure, in the foreground, until it is
interrupted. They are Kubernetes 1.29's own, with its Azure provider, and act as the cluster's identity: services of type
LoadBalancer get their addresses from the local Azure, nodes their routes, and what Azure refuses is an event. The
kubeconfigs that az aks get-credentials gives open it, for programs that aksid exec runs. Nothing runs on the nodes.

CLUSTER is a name, resourceGroup/name or a resource id. What the API server holds is kept in the data folder.`,
		Example: `  aksid kubernetes freight-prod
  aksid exec -- az aks get-credentials -g rg-platform -n freight-prod -f kubeconfig
  aksid exec -- kubectl --kubeconfig kubeconfig expose deployment web --type LoadBalancer --port 80`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error {
				cluster, err := oneCluster(cmd.Context(), az, args[0])
				if err != nil {
					return err
				}
				return a.runPlane(cmd.Context(), az, cluster)
			})
		},
	}
	dataFlag(cmd, &data)
	return cmd
}

// runPlane runs a cluster's control plane until the context ends.
func (a *App) runPlane(ctx context.Context, az *local.Azure, cluster azure.ID) error {
	program, err := a.program(act.PlaneProgram, "drill/kube")
	if err != nil {
		return err
	}
	err = drill.Plane{Azure: az, Program: program, Cluster: cluster}.Run(ctx, func(p drill.RunningPlane) { a.printPlane(az, p) })
	switch {
	case ctx.Err() != nil: // how it is meant to end
		return nil
	case errors.Is(err, drill.ErrRuns):
		return usageError{err}
	case err != nil:
		return unreadError{err}
	}
	return nil
}

func (a *App) printPlane(az *local.Azure, p drill.RunningPlane) {
	hint := a.dataHint(az.Dir)
	use := fmt.Sprintf("aksid exec%s -- kubectl --kubeconfig kubeconfig get nodes", hint)
	if p.Entra {
		use = fmt.Sprintf("aksid exec%s -- az account get-access-token --resource %s, and kubectl --token with that", hint, kubernetesServer)
	}
	fmt.Fprintf(a.Out, `Kubernetes %s of %s ready on %s
  acts as     %s
  nodes       %d
  kubeconfig  aksid exec%s -- az aks get-credentials -g %s -n %s -f kubeconfig
  use it      %s
`, p.Kubernetes, p.Cluster.Name(), p.Addr, p.Identity, p.Nodes, hint, p.Cluster.ResourceGroup(), p.Cluster.Name(), use)
}

// kubernetesServer is the server application that tokens for API servers of AKS are for, in every tenant.
const kubernetesServer = "6dae42f8-4368-4678-94ff-3960e28e3630"

// runPlanes runs control planes for clusters of the local Azure of a data folder, each as soon as the cluster is there. A
// control plane that ends by itself is told of, and the local Azure goes on.
func (a *App) runPlanes(ctx context.Context, dir string, names []string) (wait func(), err error) {
	if len(names) == 0 {
		return func() {}, nil
	}
	if _, err := a.program(act.PlaneProgram, "drill/kube"); err != nil {
		return nil, err
	}
	az, err := local.Find(ctx, dir)
	if err != nil {
		return nil, unreadError{err}
	}
	var work sync.WaitGroup
	for _, name := range names {
		work.Go(func() {
			if err := a.runPlaneOf(ctx, az, name); err != nil {
				a.note("no control plane for %s: %v", name, err)
			}
		})
	}
	return work.Wait, nil
}

// runPlaneOf waits for a cluster and its nodes and runs its control plane.
func (a *App) runPlaneOf(ctx context.Context, az *local.Azure, name string) error {
	for told := false; ; told = true {
		cluster, err := oneCluster(ctx, az, name)
		if err == nil {
			err = a.runPlane(ctx, az, cluster)
		}
		var absent usageError
		if err == nil || ctx.Err() != nil || errors.Is(err, drill.ErrRuns) || !errors.As(err, &absent) && !errors.Is(err, drill.ErrNoNodes) {
			return err
		}
		if !told {
			a.note("waiting for cluster %s: %v", name, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
