package scenario

import (
	"context"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// Demo is the short story of what aksid is: the freight company's, in half a second.
var Demo = Story{
	Name:  "demo",
	Title: "A freight company's cluster breaks for want of two roles, and is mended",
	Case: "A local Azure runs for as long as the story takes: all that follows are real requests to it, each by whoever makes it, " +
		"decided by Azure's rules.",
	Next: `
Try it yourself
   aksid scenario freight                                 the whole story of the freight company; there are two more
   aksid up                                               a local Azure that stays; in another terminal:
   aksid exec -- az group create -n rg1 -l westeurope     the real az on it, or any other program
   aksid check --from local                               what the local clusters lack
   aksid check                                            what your own clusters lack, where az is logged in
`,
	plot: func(s *Stage) []step {
		d := &demo{freight: freight{Stage: s}}
		return []step{
			{"Two teams, two subscriptions, and an old pipeline", d.teams},
			{"The pipeline creates the kubenet cluster freight-prod in the network team's subnet", d.refusedCluster},
			{"The network team grants the cluster's identity its route table, and the pipeline tries again", d.cluster},
			{"What will break?", func(ctx context.Context) error { return d.check(ctx, 1) }},
			{"It breaks just there", d.breaks},
			{"Each team grants one role, where it is needed", d.roles},
			{"What will break now?", func(ctx context.Context) error { return d.check(ctx, 0) }},
			{"The same two calls", d.again},
		}
	},
}

// demo is the freight company's world with the cluster's own identity from the beginning.
type demo struct{ freight }

func (d *demo) teams(ctx context.Context) error {
	if err := d.place(); err != nil {
		return err
	}
	if err := d.people(ctx); err != nil {
		return err
	}
	if err := d.networks(ctx); err != nil {
		return err
	}
	d.who("network team", "%s in subscription Hub: subnet %s with route table %s", d.Hub.Name(), d.Subnet.Name(), d.Routes.Name())
	if err := d.platformsWithIdentity(ctx); err != nil {
		return err
	}
	d.who("platform team", "%s in subscription Platform: identity %s, registry %s", d.Spoke.Name(), d.Identity.Name(), d.Registry.Name())
	d.who("old pipeline", "service principal freight-pipeline with a secret, Contributor on both subscriptions")
	return nil
}

func (d *demo) platformsWithIdentity(ctx context.Context) (err error) {
	if err := d.platforms(ctx); err != nil {
		return err
	}
	d.Identity = d.Spoke.Resource(typeIdentity, d.Identity.Name())
	d.Control, _, err = d.userAssigned(ctx, d.platform, d.Identity)
	return err
}

func (d *demo) createProd(ctx context.Context) (*cluster, error) {
	return d.create(ctx, d.old, d.clusterID(), d.body(d.kubenet(), userAssignedIdentity(d.Identity)))
}

func (d *demo) refusedCluster(ctx context.Context) error {
	_, err := d.createProd(ctx)
	return d.refused(err, http.StatusBadRequest, "CustomRouteTableMissingPermission")
}

func (d *demo) cluster(ctx context.Context) (err error) {
	if err := d.give(ctx, d.network, "Network Contributor", d.Routes, d.Identity, d.Control); err != nil {
		return err
	}
	if d.prod, err = d.createProd(ctx); err != nil {
		return err
	}
	d.works("the cluster is there; its node resource group is %s", d.prod.nodes.Name())
	d.who("control plane", "%s, principal %s", d.Identity.Name(), d.Control)
	d.who("kubelet", "%s, principal %s", d.prod.kubelet.ResourceID.Name(), d.prod.kubelet.ObjectID)
	return nil
}

func (d *demo) check(ctx context.Context, want int) error {
	_, err := d.aksid(ctx, run{args: strings.Fields("check freight-prod --registry freightacr"), want: want})
	return err
}

func (d *demo) breaks(ctx context.Context) error {
	d.say("The control plane gives a service an address in the subnet, with the cluster's own identity:")
	if err := d.refused(d.expose(ctx, d.prod, d.Subnet, "freight-web"), http.StatusForbidden, "LinkedAuthorizationFailed"); err != nil {
		return err
	}
	d.say("A node pulls an image, with the kubelet's identity:")
	return d.refused(d.pull(ctx, d.prod, d.Registry, "freight/web"), http.StatusUnauthorized, "UNAUTHORIZED")
}

// give assigns a role on a scope to an identity and says so.
func (d *demo) give(ctx context.Context, by *person, role string, scope, identity azure.ID, principal azure.PrincipalID) error {
	if err := d.grant(ctx, by, role, principal, scope); err != nil {
		return err
	}
	d.changed("%s on %s for %s, by %s", role, scope.Name(), identity.Name(), by.name)
	return nil
}

func (d *demo) roles(ctx context.Context) error {
	if err := d.give(ctx, d.network, "Network Contributor", d.Subnet, d.Identity, d.Control); err != nil {
		return err
	}
	if err := d.give(ctx, d.platform, "AcrPull", d.Registry, d.prod.kubelet.ResourceID, d.prod.kubelet.ObjectID); err != nil {
		return err
	}
	d.say("With the route table's, and Contributor on %s that AKS granted itself, the cluster has four roles. The pipeline's Contributor on two subscriptions can go.", d.prod.nodes.Name())
	return nil
}

func (d *demo) again(ctx context.Context) error {
	if err := d.expose(ctx, d.prod, d.Subnet, "freight-web"); err != nil {
		return err
	}
	d.works("the load balancer has its address in %s", d.Subnet.Name())
	if err := d.pull(ctx, d.prod, d.Registry, "freight/web"); err != nil {
		return err
	}
	d.works("the registry lets the kubelet pull")
	return nil
}

// Freight is the company of the demo without its story: to try something on it.
type Freight struct{ demo }

// NewFreight is the company on a local Azure that has nothing else on it; the operator does everything there.
func NewFreight(az *local.Azure, now func() time.Time) (*Freight, error) {
	f := &Freight{}
	f.Stage = &Stage{Teller: silence{}, Azure: az, Now: now}
	f.network, f.platform, f.old = f.operator(), f.operator(), f.operator()
	return f, f.place()
}

// Build makes all that the cluster needs but roles. It can be repeated.
func (f *Freight) Build(ctx context.Context) error {
	if err := f.networks(ctx); err != nil {
		return err
	}
	return f.platformsWithIdentity(ctx)
}

// Deploy makes the cluster. Its identity needs a role on the route table.
func (f *Freight) Deploy(ctx context.Context) (err error) {
	f.prod, err = f.createProd(ctx)
	return err
}

// Kubelet is the principal of the nodes' identity.
func (f *Freight) Kubelet() azure.PrincipalID { return f.prod.kubelet.ObjectID }

// Expose gives a service an address in the subnet, as the cluster.
func (f *Freight) Expose(ctx context.Context) error { return f.expose(ctx, f.prod, f.Subnet, "web") }

// Pull asks the registry for an image, as a node.
func (f *Freight) Pull(ctx context.Context) error {
	return f.pull(ctx, f.prod, f.Registry, "freight/web")
}

// Grant assigns a built-in role.
func (f *Freight) Grant(ctx context.Context, role string, to azure.PrincipalID, scope azure.ID) error {
	return f.grant(ctx, f.operator(), role, to, scope)
}

// Revoke takes a role on just that scope away, if it is there.
func (f *Freight) Revoke(ctx context.Context, role string, from azure.PrincipalID, scope azure.ID) error {
	return f.revoke(ctx, f.operator(), func(a assignment) bool {
		return a.Properties.PrincipalID == from && a.role() == role && a.Properties.Scope.Equal(scope)
	})
}
