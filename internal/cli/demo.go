package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/local"
)

func newDemo(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a cluster break for want of two roles, and mend it",
		Long: `Tell the story of a freight company whose AKS cluster lacks two roles: what check says will break, how it breaks,
and how it works again. It happens on a local Azure of its own, in a temporary folder, by real requests.`,
		Example: "  aksid demo",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), a) },
	}
}

func runDemo(ctx context.Context, a *App) (err error) {
	dir, err := os.MkdirTemp("", "aksid-demo-")
	if err != nil {
		return unreadf("no temporary folder can be made: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := serve(ctx, a, cloud.Config{Dir: dir, Addr: "127.0.0.1:0", Now: a.Now, Log: a.log()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	az, err := local.Find(ctx, dir)
	if err != nil {
		return err
	}
	f, err := newFreight(ctx, az, a.Now)
	if err != nil {
		return err
	}
	return (&demo{App: a, freight: f}).tell(ctx)
}

// demo tells the freight company's story.
type demo struct {
	*App
	*freight
	steps int
}

func (d *demo) tell(ctx context.Context) error {
	fmt.Fprint(d.Out, wrap("", "A freight company's cluster breaks for want of two roles, and is mended. A local Azure runs at "+d.az.URL+
		" for as long as the story takes: all that follows are real requests to it, decided by Azure's rules."))
	for _, chapter := range []func(context.Context) error{
		d.teams, d.refusedCluster, d.cluster, d.firstCheck, d.failures, d.roles, d.secondCheck, d.successes,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	d.next()
	return nil
}

func (d *demo) teams(ctx context.Context) error {
	d.step("Two teams, two subscriptions, and an old pipeline")
	if err := d.buildHub(ctx); err != nil {
		return err
	}
	d.who("network team", "%s in subscription Hub: subnet %s with route table %s", d.hub.Name(), d.subnet.Name(), d.routes.Name())
	if err := d.buildPlatform(ctx); err != nil {
		return err
	}
	d.who("platform team", "%s in subscription Platform: identity %s, registry %s", d.platform.Name(), d.identity.Name(), d.registry.Name())
	if err := d.buildPipeline(ctx); err != nil {
		return err
	}
	d.who("old pipeline", "service principal freight-pipeline with a secret, Contributor on both subscriptions")
	return nil
}

func (d *demo) refusedCluster(ctx context.Context) error {
	d.step("The pipeline creates the kubenet cluster freight-prod in the network team's subnet")
	return d.mustFail(d.createCluster(ctx), http.StatusBadRequest, "CustomRouteTableMissingPermission")
}

func (d *demo) cluster(ctx context.Context) error {
	d.step("The network team grants the cluster's identity its route table, and the pipeline tries again")
	if err := d.give(ctx, "Network Contributor", d.routes, d.identity, d.control); err != nil {
		return err
	}
	if err := d.createCluster(ctx); err != nil {
		return err
	}
	if err := d.awaitCluster(ctx); err != nil {
		return err
	}
	d.good("the cluster is there; its node resource group is " + d.nodes.Name())
	d.who("control plane", "%s, principal %s", d.identity.Name(), d.control)
	d.who("kubelet", "%s, principal %s", d.kubeletID.Name(), d.kubelet)
	return nil
}

func (d *demo) firstCheck(ctx context.Context) error {
	return d.check(ctx, "What will break?", exitFindings)
}

func (d *demo) secondCheck(ctx context.Context) error {
	return d.check(ctx, "What will break now?", exitOK)
}

// check runs the check command as a user does and expects an exit code.
func (d *demo) check(ctx context.Context, title string, want int) error {
	d.step(title)
	args := []string{"check", clusterName, "--registry", registryName}
	fmt.Fprintf(d.Out, "   $ aksid %s\n", strings.Join(args, " "))
	out := &indenter{to: d.Out, indent: "   | "}
	inner := &App{In: d.In, Out: out, Err: out, Now: d.Now, Env: append([]string{local.DataVar + "=" + d.az.Dir, local.FromVar + "=" + local.From}, d.Env...)}
	if code := inner.Run(ctx, args); code != want {
		return fmt.Errorf("check ended with exit code %d instead of %d", code, want)
	}
	return nil
}

func (d *demo) failures(ctx context.Context) error {
	d.step("It breaks just there")
	d.say("The control plane gives a service an address in the subnet, with the cluster's own identity:")
	if err := d.mustFail(d.putLoadBalancer(ctx), http.StatusForbidden, "LinkedAuthorizationFailed"); err != nil {
		return err
	}
	d.say("A node pulls an image, with the kubelet's identity:")
	return d.mustFail(d.pull(ctx), http.StatusUnauthorized, "UNAUTHORIZED")
}

func (d *demo) roles(ctx context.Context) error {
	d.step("Each team grants one role, where it is needed")
	if err := d.give(ctx, "Network Contributor", d.subnet, d.identity, d.control); err != nil {
		return err
	}
	if err := d.give(ctx, "AcrPull", d.registry, d.kubeletID, d.kubelet); err != nil {
		return err
	}
	d.say("With the route table's, and Contributor on " + d.nodes.Name() + " that AKS granted itself, the cluster has four roles. The pipeline's Contributor on two subscriptions can go.")
	return nil
}

func (d *demo) successes(ctx context.Context) error {
	d.step("The same two calls")
	if err := d.putLoadBalancer(ctx); err != nil {
		return err
	}
	d.good("the load balancer has its address in " + d.subnet.Name())
	if err := d.pull(ctx); err != nil {
		return err
	}
	d.good("the registry lets the kubelet pull")
	return nil
}

func (d *demo) next() {
	fmt.Fprint(d.Out, `
Try it yourself
   aksid up                                               a local Azure that stays; in another terminal:
   aksid exec -- az group create -n rg1 -l westeurope     the real az on it, or any other program
   aksid check --from local                               what the local clusters lack
   aksid check                                            what your own clusters lack, where az is logged in
`)
}

// mustFail reports a refusal that the story is about, and fails if it did not happen as it does on Azure.
func (d *demo) mustFail(err error, status int, code string) error {
	var refused *azure.Error
	if !errors.As(err, &refused) || refused.Status != status || refused.Code != code {
		return fmt.Errorf("the call should have been refused with %d %s, but: %v", status, code, err)
	}
	fmt.Fprintf(d.Out, "   ✗ %d %s\n%s", status, code, wrap("     ", refused.Message))
	return nil
}

func (d *demo) step(title string) {
	d.steps++
	fmt.Fprintf(d.Out, "\n%d. %s\n", d.steps, title)
}

func (d *demo) good(what string) { fmt.Fprintf(d.Out, "   ✓ %s\n", what) }

// give assigns a role on a scope to an identity and says so.
func (d *demo) give(ctx context.Context, role string, scope, identity azure.ID, principal azure.PrincipalID) error {
	if err := d.grant(ctx, role, principal, scope); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.Out, "   + %s on %s for %s\n", role, scope.Name(), identity.Name())
	return err
}

func (d *demo) say(text string) { fmt.Fprint(d.Out, wrap("   ", text)) }

func (d *demo) who(label, format string, args ...any) {
	fmt.Fprint(d.Out, wrap(fmt.Sprintf("   %-15s", label), fmt.Sprintf(format, args...)))
}
