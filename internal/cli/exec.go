package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/local"
)

type execOptions struct {
	Data    string
	As      string // "", a service principal, machinePrefix and a resource id, or podPrefix and a service account
	Client  string // the client id that a pod's service account is annotated with
	Command []string

	Transparent bool // the program is told of no address but Azure's own
}

// What a --as begins with that means: as a program on the machine that has this identity, or in a pod of this service account.
const (
	machinePrefix = "mi:"
	podPrefix     = "sa:"
)

func newExec(a *App) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run any program against the running local Azure",
		Long: `Run a program against the local Azure that "aksid up" runs: az, an Azure SDK program, Terraform, curl or a shell.

The program finds a principal logged in and the local Azure under its own address and under Azure's host names.
It cannot reach anything else through its proxy, so nothing touches real Azure by accident: every other host is refused.
With --transparent it is told of Azure's host names alone, as any program is: az stays in its cloud AzureCloud, Terraform
asks management.azure.com, tokens are for https://management.azure.com/, registries and vaults have their real names.
It runs as the operator (Owner of both subscriptions), or as --as says:
  NAME, client id or object id   a service principal, with a secret that is taken back at the end
  mi:RESOURCE-ID                 the managed identity of a cluster, a virtual machine or a user-assigned identity,
                                 through the metadata service of a machine that has it
  sa:CLUSTER/NAMESPACE/NAME      a pod of a Kubernetes service account (workload identity): a token file, and with
                                 --client-id the identity that the service account is annotated with

The exit code is the program's.`,
		Example: `  aksid exec -- az group list
  aksid exec --as pipeline -- az aks show -g rg1 -n aks1
  aksid exec --as mi:/subscriptions/…/userAssignedIdentities/id1 -- az group show -n rg1
  aksid exec --as sa:aks1/shop/cart --client-id 00000000-0000-0000-0000-000000000001 -- ./cart
  aksid exec --transparent -- sh deploy.sh
  aksid exec -- terraform plan
  aksid exec -- bash`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name a program to run, as in: aksid exec -- az group list")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Command = args
			return runExec(cmd.Context(), a, o)
		},
	}
	dataFlag(cmd, &o.Data)
	cmd.Flags().StringVar(&o.As, "as", "", "`principal` to run as (default: the operator)")
	cmd.Flags().StringVar(&o.Client, "client-id", "", "client `id` of the identity that a pod acts as")
	cmd.Flags().BoolVar(&o.Transparent, "transparent", false, "leave az and Terraform in Azure's public cloud, under its host names alone")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func runExec(ctx context.Context, a *App, o execOptions) error {
	program, err := exec.LookPath(o.Command[0])
	if err != nil {
		return notRunnable(o.Command[0], err)
	}
	dir, err := a.dataFolder(o.Data)
	if err != nil {
		return err
	}
	az, err := local.Find(ctx, dir)
	if err != nil {
		return unreadError{err}
	}
	who, err := identify(ctx, a, az, o)
	if err != nil {
		return err
	}
	defer who.release()
	proxy, err := startProxy(a, az, who.machine)
	if err != nil {
		return err
	}
	defer proxy.Close()
	env := az.Environ(a.Env, local.Session{
		Proxy: "http://" + proxy.Addr, Tenant: az.Tenant, Subscription: who.subscription(), Credential: who.credential, TokenFile: who.tokenFile,
		Transparent: o.Transparent,
	})
	folder, forget := logIn(ctx, a, az, who, env, o.Transparent)
	defer forget()
	if err := ctx.Err(); err != nil { // from here on an interrupt is the program's business
		return err
	}
	if len(who.subscriptions) == 0 && !who.refused {
		a.note("warning: %s has no role in any subscription, so that az has none to work in; give it one with: aksid exec -- az role assignment create", o.As)
	}
	proxy.tell.Store(true)
	return a.run(program, o.Command, slices.Concat(env, []string{azFolderVar + "=" + folder}))
}

// notRunnable speaks of a program as shells do: 127 where there is none, 126 where it cannot be run.
func notRunnable(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return exitStatus{126, fmt.Errorf("%s cannot be executed; see its permissions", name)}
	}
	return exitStatus{127, fmt.Errorf("there is no program %s; install it, or add its folder to PATH", name)}
}

// runningProxy is a local.Proxy that listens on loopback.
type runningProxy struct {
	*http.Server
	Addr string
	tell atomic.Bool // of refused hosts, once each: not of what az asks for while it is set up
	told sync.Map
}

func startProxy(a *App, az *local.Azure, machine azure.ID) (*runningProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, unreadf("no port on 127.0.0.1 is free for the proxy: %w", err)
	}
	p := &runningProxy{Addr: l.Addr().String()}
	handler := &local.Proxy{Azure: az, Machine: machine, Refused: func(host string) {
		if _, before := p.told.LoadOrStore(host, true); !before && p.tell.Load() {
			a.note("%s was asked for and refused: from here only the local Azure can be reached", host)
		}
	}}
	p.Server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go p.Serve(l)
	return p, nil
}

// run runs a program on this terminal, hands on the signals it is sent, and returns its exit code as an exitStatus.
func (a *App) run(program string, args, env []string) error {
	cmd := &exec.Cmd{Path: program, Args: args, Env: env, Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return notRunnable(args[0], err)
	}
	done := make(chan struct{})
	go forward(signals, cmd.Process, isTerminal(a.In), done)
	err := cmd.Wait()
	close(done)
	return statusOf(err)
}

// forward hands signals on. What is typed at a terminal (Ctrl-C) reaches every process there by itself.
func forward(signals <-chan os.Signal, to *os.Process, atTerminal bool, done <-chan struct{}) {
	for {
		select {
		case s := <-signals:
			if !atTerminal || s != os.Interrupt && s != syscall.SIGQUIT {
				_ = to.Signal(s) // it may just have ended
			}
		case <-done:
			return
		}
	}
}

func statusOf(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("the program cannot be waited for: %w", err)
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return exitStatus{code: 128 + int(ws.Signal())}
	}
	return exitStatus{code: exit.ExitCode()}
}
