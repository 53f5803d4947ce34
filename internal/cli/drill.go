package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/drill"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

type drillOptions struct {
	sourceOptions
	Output    string
	Only      []string
	AsIf      []string
	Faults    bool
	Cleanup   bool
	Agreement int
	Seed      int
	First     int
	Parallel  int
	Lacking   string // an action that is missing, and nothing else
	Without   string // an action that the catalogue does not know
	Forget    string // an action that the local Azure does not refuse
}

func newDrill(a *App) *cobra.Command {
	var o drillOptions
	cmd := &cobra.Command{
		Use:   "drill [CLUSTER...]",
		Short: "Let the genuine code of Kubernetes act out what check predicts",
		Long: `Let the genuine Azure code of Kubernetes act as a cluster's identities against the running local Azure: load balancers of
services, routes of nodes, disks of volumes, image pulls. Say of each operation whether it worked or what Azure refused, in
the words that kubectl describe shows, what is left behind or silently wrong, and what check predicts.

CLUSTER is a name, resourceGroup/name or a resource id; without one, every cluster. Addresses, disks and registries that
workloads use are those of --kube and --registry. What is done is undone: also what a drill has left that was killed, by the next
one or with --cleanup, and nothing that others have made since.

With --from azure or a file, what was read is put into a local Azure of its own that is gone afterwards, with machines for its
clusters: production's identities acted out here, and nothing there is touched.

With --agreement, random clusters with random grants are predicted and acted out, in a local Azure of their own.

Exit codes: 0 everything worked (with --agreement: and was predicted), 1 something was refused or not predicted,
2 wrong usage or input, or another drill is under way, 3 the local Azure or the controllers' program cannot be reached, or no
cluster can be drilled.`,
		Example: `  aksid drill
  aksid drill freight-prod --registry freightacr --only internal,image
  aksid drill -n aks1 --as-if "grant Network Contributor to id-aks1 at /subscriptions/…/subnets/snet-aks"
  aksid drill --from prod.json freight-prod      # what aksid check --save prod.json kept
  aksid drill --cleanup                          # after a drill that was killed
  aksid drill --agreement 1000 --seed 7`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			switch {
			case o.Cleanup:
				return runCleanup(cmd.Context(), a, o)
			case o.Agreement > 0:
				return runAgreement(cmd.Context(), a, o)
			}
			return runDrill(cmd.Context(), a, o)
		},
	}
	dataFlag(cmd, &o.Data)
	outputFlag(cmd, &o.Output, drill.Formats...)
	f := cmd.Flags()
	f.StringVar(&o.From, "from", "", "what to act out: local, or a copy of azure, or of the `path` of what check --from takes (default: local)")
	f.StringVar(&o.Cloud, "cloud", "", "`cloud` of --from azure, as check takes it")
	f.BoolVar(&o.AllSubscriptions, "all-subscriptions", false, "with --from azure, look in every subscription that the credential sees")
	f.StringVar(&o.Subscription, "subscription", "", "`name or id` of the subscription (default: all of the local Azure, az's active one of Azure)")
	f.StringVarP(&o.Group, "resource-group", "g", "", "only clusters of this resource `group`")
	f.StringVarP(&o.Name, "name", "n", "", "`name` of the cluster")
	f.StringArrayVar(&o.Kube, "kube", nil, "`file` of Kubernetes objects of the cluster, from kubectl get svc,pods,sa,pv,sc -A -o json; can be repeated")
	f.StringArrayVar(&o.Registries, "registry", nil, "`registry` that the clusters pull from: name, login server or id; can be repeated")
	f.StringSliceVar(&o.Only, "only", nil, "`operations` to act out, separated by commas: names or groups")
	f.StringArrayVar(&o.AsIf, "as-if", nil, "`change` of roles for as long as the drill lasts: \"grant ROLE to IDENTITY at SCOPE\" or \"revoke ROLE from IDENTITY at SCOPE\"; can be repeated")
	f.BoolVar(&o.Faults, "fault", false, "let the local Azure throttle and fail in the middle of each operation: the controllers get over it")
	f.BoolVar(&o.Cleanup, "cleanup", false, "remove what drills have left that were killed, and do nothing else")
	f.IntVar(&o.Agreement, "agreement", 0, "`number` of random configurations to predict and act out")
	f.IntVar(&o.Seed, "seed", 1, "`seed` of the random configurations")
	f.IntVar(&o.First, "first", 0, "`number` of the first configuration, to see one again")
	f.IntVar(&o.Parallel, "parallel", 0, "`number` of configurations that are acted out at a time")
	f.StringVar(&o.Lacking, "lacking", "", "make configurations in which everything is granted but one `action`")
	f.StringVar(&o.Without, "without-action", "", "leave an `action` out of what is predicted, to see that it is noticed")
	f.StringVar(&o.Forget, "forget-action", "", "let the local Azure not refuse an `action`, to see that it is noticed")
	for _, name := range []string{"lacking", "without-action", "forget-action", "first", "parallel"} {
		_ = f.MarkHidden(name)
	}
	return cmd
}

func runDrill(ctx context.Context, a *App, o drillOptions) (err error) {
	var changes []drill.AsIf
	for _, s := range o.AsIf {
		c, err := drill.ParseAsIf(s)
		if err != nil {
			return usageError{err}
		}
		changes = append(changes, c)
	}
	d, stop, err := a.drill(ctx, &o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	end, err := a.beginDrill(ctx, &d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	undo, err := d.Assume(ctx, changes)
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, undo()) }()
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	p := a.progress()
	d.Progress = p.set
	shown := p.start()
	r, err := d.Run(ctx, e)
	shown()
	if err != nil && len(r.Clusters) == 0 {
		return err
	}
	if err := errors.Join(err, r.Print(a.Out, o.Output, a.colour())); err != nil {
		return err
	}
	if r.Undrilled() {
		return unreadf("no cluster could be drilled")
	}
	if s := r.Summary; s.Refused+s.Failed+s.Leaked+s.Unforeseen > 0 {
		return errFindings
	}
	return nil
}

// beginDrill puts back what drills have left that were killed, and says so. What cannot be put back yet keeps nobody from drilling.
func (a *App) beginDrill(ctx context.Context, d *drill.Drill) (end func() error, err error) {
	if n, err := sweep(); n > 0 || err != nil {
		a.note("removed %s of drills that were killed%s", several(n, "temporary folder"), because(err))
	}
	if d.CopyOf != "" { // it goes as a whole
		return func() error { return nil }, nil
	}
	left, end, err := d.Begin(ctx)
	for _, l := range left {
		a.note("%s", l)
	}
	switch {
	case end == nil:
		return nil, busyOr(err)
	case ctx.Err() != nil:
		return nil, errors.Join(ctx.Err(), end())
	case err != nil:
		a.note("some of it is still there: %v; once nothing keeps it, remove it with: aksid drill --cleanup", err)
	}
	return end, nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("; not all: %v", err)
}

func busyOr(err error) error {
	if errors.Is(err, drill.ErrDrilling) {
		return usageError{err}
	}
	return unreadError{err}
}

// runCleanup puts back what drills have left that were killed.
func runCleanup(ctx context.Context, a *App, o drillOptions) error {
	if len(o.Clusters)+len(o.AsIf)+len(o.Only)+o.Agreement > 0 || o.Faults || o.From != "" {
		return usagef("--cleanup drills nothing; it goes with --data alone")
	}
	az, err := a.findLocal(ctx, o.Data)
	if err != nil {
		return err
	}
	n, err := sweep()
	if n > 0 {
		fmt.Fprintf(a.Out, "Removed %s.\n", several(n, "temporary folder"))
	}
	left, end, failed := (&drill.Drill{Azure: az}).Begin(ctx)
	if end == nil {
		return busyOr(failed)
	}
	for _, l := range left {
		fmt.Fprintln(a.Out, l)
	}
	if n == 0 && len(left) == 0 {
		fmt.Fprintln(a.Out, "No drill has left anything.")
	}
	if err := errors.Join(err, failed, end()); err != nil {
		return unreadError{err}
	}
	return nil
}

// drill finds what a drill takes: the controllers' program, and the local Azure, or one with a copy of what is read elsewhere.
// From then on o says to read that one. stop ends a copy.
func (a *App) drill(ctx context.Context, o *drillOptions) (d drill.Drill, stop func() error, err error) {
	d = drill.Drill{Only: o.Only, Faults: o.Faults}
	if err := d.Check(); err != nil {
		return d, nil, usageError{err}
	}
	if d.Program, err = a.program(act.Program, "drill"); err != nil {
		return d, nil, err
	}
	if o.From != "" && o.From != local.From {
		d.CopyOf = o.From
		d.Azure, stop, err = a.copyOf(ctx, &o.sourceOptions)
	} else {
		d.Azure, err = a.findLocal(ctx, o.Data)
		stop = func() error { return nil }
	}
	if err != nil {
		return d, nil, err
	}
	o.From, o.Data = local.From, d.Azure.Dir
	d.Copies = func(ctx context.Context) (*local.Azure, func() error, error) {
		all, err := d.Azure.Export(ctx)
		if err != nil {
			return nil, nil, err
		}
		return a.throwAway(ctx, bytes.NewReader(all))
	}
	return d, stop, nil
}

// program finds a program that is a module of its own in a folder of aksid's sources: beside aksid, else on PATH.
func (a *App) program(program, folder string) (string, error) {
	name := program
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if path := filepath.Join(filepath.Dir(self), name); isExecutable(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", unreadf("%s is neither beside aksid nor on PATH; build it in aksid's sources with: go build -C %s -o DIR ./cmd/%s", name, folder, program)
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}

func runAgreement(ctx context.Context, a *App, o drillOptions) error {
	if len(o.Clusters)+len(o.AsIf)+len(o.Only) > 0 || o.Faults || o.From != "" {
		return usagef("--agreement makes clusters of its own; it does not go with CLUSTER, --only, --as-if, --fault or --from")
	}
	program, err := a.program(act.Program, "drill")
	if err != nil {
		return err
	}
	p := a.progress()
	stop := p.start()
	t, err := drill.Agreement{
		Configurations: o.Agreement, Seed: o.Seed, First: o.First, Parallel: o.Parallel, Program: program,
		NewAzure: func(ctx context.Context) (*local.Azure, func() error, error) { return a.throwAway(ctx, nil) },
		Lacking:  azure.Action(o.Lacking), WithoutAction: azure.Action(o.Without), ForgetAction: azure.Action(o.Forget),
		Progress: func(done, operations, disagreements int) {
			p.set(fmt.Sprintf("%d of %d configurations, %d operations, %d disagreements", done, o.Agreement, operations, disagreements))
		},
	}.Run(ctx)
	stop()
	if t.Configurations > 0 || err == nil {
		err = errors.Join(err, t.Print(a.Out, o.Output, a.colour()))
	}
	if err != nil {
		return err
	}
	if len(t.Disagreements) > 0 {
		return errFindings
	}
	return nil
}
