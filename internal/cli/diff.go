package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/drift"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/report"
)

type diffOptions struct {
	sourceOptions
	Output string
	Config string
	FailOn string
	Sides  []string
	Map    []string // clusters that belong together, as a=b
	Query  string   // JMESPath
}

func newDiff(a *App) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff A B [C...]",
		Short: "Compare clusters or environments: what breaks when a release gets from one to the next, and what else differs",
		Long: `Compare the identities of clusters that are to be alike, in the order in which releases get to them.

A, B and so on are each one of
  a cluster          its name, resourceGroup/name or id
  an environment     tag:NAME=VALUE, or rg:PATTERN as rg:*-prod: the clusters with that tag, or of those resource groups
  a file or folder   what check --save kept, or what az printed; of two times, or of two environments. What is there as a file
                     is read as one

What one has and the next lacks is told as what breaks there: the needs of the one, decided with the roles of the other.
Then comes what differs: identities, roles and what these are on as seen from the cluster, findings, features, registries
and networks. Names, ids, versions and counts do not count. What could not be read is unknown, never a difference.

With --kube CLUSTER=FILE for each, Kubernetes objects are compared as well: the services, volumes, storage classes, service
accounts and images of one are told as what the next lacks for them.

Clusters belong together by their names without words for environments (aks-shop-test, aks-shop-prod), by a tag or as
aksid.yaml says (diff: same: [[aks1, aks7]], roleTag: app), or as --map says.

Exit codes: 0 the same, 1 breaks or differences at or above --fail-on, 2 wrong usage or input, 3 something needed could not be read.`,
		Example: `  aksid diff aks-test aks-prod
  aksid diff tag:env=test tag:env=stage tag:env=prod --all-subscriptions
  aksid diff rg:*-test rg:*-prod --fail-on warning
  aksid diff before.json after.json
  aksid diff aks-test aks-prod --kube aks-test=test.json --kube aks-prod=prod.json
  aksid diff aks-test aks-prod -o json --query "groups[].breaks[].title"
  aksid diff aks-blue aks-green --map aks-blue=aks-green -o markdown > drift.md`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Sides = args
			if err := jsonQuery(cmd, o.Query, &o.Output); err != nil {
				return err
			}
			return runDiff(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	for _, name := range []string{"parameters", "creator"} { // of one cluster, or of none
		_ = cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().Lookup("kube").Usage = "`CLUSTER=FILE` of Kubernetes objects, from kubectl get svc,pods,sa,pv,sc -A -o json; can be repeated. A file or folder that is compared can stand for its cluster"
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	queryFlag(cmd, &o.Query)
	configFlag(cmd, &o.Config)
	cmd.Flags().StringArrayVar(&o.Map, "map", nil, "clusters that belong together, as `A=B`; can be repeated")
	failOnFlag(cmd, &o.FailOn)
	return cmd
}

func runDiff(ctx context.Context, a *App, o diffOptions) error {
	if err := validFailOn(o.FailOn); err != nil {
		return err
	}
	q, err := parseQuery(o.Query)
	if err != nil {
		return err
	}
	t, err := readTuning(o.Config)
	if err != nil {
		return err
	}
	options := drift.Options{Check: finding.Options{Tuning: t, Now: a.Now()}}
	if t != nil {
		options.Match = t.Match
	}
	for _, m := range o.Map {
		same := strings.Split(m, "=")
		if len(same) < 2 || slices.Contains(same, "") {
			return usagef("--map %s does not say which clusters belong together; give two names, as aks-test=aks-prod", m)
		}
		options.Match.Same = append(options.Match.Same, same)
	}
	envs, err := a.environments(ctx, o)
	if err != nil {
		return err
	}
	r := report.NewDrift(envs, drift.Compare(envs, options))
	if err := printDrift(a, o.Output, r, q); err != nil {
		return err
	}
	switch {
	case o.FailOn != never && r.Fails(finding.Severity(o.FailOn)):
		return errFindings
	case r.Undecided():
		return unreadf("not everything could be compared; the output says what could not be read")
	}
	return nil
}

func printDrift(a *App, output string, r report.Drift, q query) error {
	switch output {
	case "json":
		v, err := q.apply(r)
		if err != nil {
			return err
		}
		return report.JSON(a.Out, v)
	case "markdown":
		return report.MarkdownDrift(a.Out, r)
	}
	return report.Table{Colour: a.colour()}.PrintDrift(a.Out, r)
}

// environments reads what the arguments name. All that is not in files is read at once.
func (a *App) environments(ctx context.Context, o diffOptions) ([]drift.Environment, error) {
	if o.Name != "" && slices.ContainsFunc(o.Sides, func(s string) bool { return !isFile(s) }) {
		return nil, usagef("-n names a cluster in files; here the arguments name the clusters")
	}
	objects, err := readSideObjects(o.Kube)
	if err != nil {
		return nil, err
	}
	o.Kube, o.objects = nil, estate.MergeKubes(objects.kubes()...)
	var live *estate.Estate
	envs := make([]drift.Environment, len(o.Sides))
	for i, s := range o.Sides {
		e := live
		switch {
		case isFile(s):
			e, err = a.loadFile(ctx, o.sourceOptions, s)
		case live == nil:
			live, err = a.load(ctx, o.liveOptions())
			e = live
		}
		if err != nil {
			return nil, err
		}
		if envs[i], err = environment(e, s); err != nil {
			return nil, err
		}
	}
	nameApart(envs, o.Sides)
	if err := objects.give(envs, o.Sides); err != nil {
		return nil, err
	}
	return envs, nameRegistries(envs, o.Registries)
}

// liveOptions are what to read beside files: the clusters that are named, or all where a pattern selects them.
func (o diffOptions) liveOptions() sourceOptions {
	out := o.sourceOptions
	for _, s := range o.Sides {
		switch {
		case isFile(s):
		case strings.HasPrefix(s, "tag:"), strings.HasPrefix(s, "rg:"):
			out.Clusters = nil
			return out
		default:
			out.Clusters = append(out.Clusters, s)
		}
	}
	return out
}

// loadFile reads one side from a file or folder. Registries are named afterwards: each file has its own.
func (a *App) loadFile(ctx context.Context, o sourceOptions, path string) (*estate.Estate, error) {
	o.From, o.Registries, o.AllSubscriptions, o.Cloud, o.Subscription = path, nil, false, "", ""
	return a.load(ctx, o)
}

func environment(e *estate.Estate, s string) (drift.Environment, error) {
	if isFile(s) {
		base := filepath.Base(filepath.Clean(s))
		return drift.Environment{Name: strings.TrimSuffix(base, filepath.Ext(base)), Estate: e, Clusters: e.Clusters}, nil
	}
	clusters := drift.Select(e, s)
	if len(clusters) == 0 {
		return drift.Environment{}, usagef("there is no cluster for %s in %s; it takes a cluster's name, tag:NAME=VALUE, rg:PATTERN or a file", s, e.From)
	}
	return drift.Environment{Name: drift.Label(s), Estate: e, Clusters: clusters}, nil
}

// sideObjects are the Kubernetes objects of one of the clusters that are compared.
type sideObjects struct {
	of   string // the cluster, or the file or folder that holds it
	kube *estate.Kube
}

type allObjects []sideObjects

// readSideObjects reads what is said as CLUSTER=FILE. Either may have an equals sign in it.
func readSideObjects(said []string) (out allObjects, err error) {
	for _, s := range said {
		of, path := "", ""
		for i, r := range s {
			if r == '=' && isFile(s[i+1:]) {
				of, path = s[:i], s[i+1:]
				break
			}
		}
		if of == "" {
			return nil, usagef("--kube %s does not say whose objects a file holds; give a cluster and a file that is there, as aks-test=objects.json", s)
		}
		k, err := estate.ReadKube(path)
		if err != nil {
			return nil, usageError{err}
		}
		i := slices.IndexFunc(out, func(o sideObjects) bool { return o.of == of })
		if i < 0 {
			out = append(out, sideObjects{of, k})
		} else {
			out[i].kube = estate.MergeKubes(out[i].kube, k)
		}
	}
	return out, nil
}

func (all allObjects) kubes() (out []*estate.Kube) {
	for _, o := range all {
		out = append(out, o.kube)
	}
	return out
}

// give has each cluster have its objects.
func (all allObjects) give(envs []drift.Environment, sides []string) error {
	for _, o := range all {
		found := 0
		for i, env := range envs {
			for _, c := range env.Clusters {
				if o.of == sides[i] || o.of == env.Name || o.of != "" && c.Named(o.of) {
					env.Estate.AddKube(c, o.kube)
					found++
				}
			}
		}
		if found != 1 {
			return usagef("--kube is about one cluster, and %s names %d of those that are compared; name one by its id, or by the file that holds it", o.of, found)
		}
	}
	return nil
}

// nameApart gives environments of one name the whole of what was said for them.
func nameApart(envs []drift.Environment, said []string) {
	for i := range envs {
		if slices.ContainsFunc(envs[:i], func(e drift.Environment) bool { return e.Name == envs[i].Name }) {
			envs[i].Name = said[i]
		}
	}
}

// nameRegistries finds the registries that the user names in what was read from files; elsewhere they are known already.
func nameRegistries(envs []drift.Environment, names []string) error {
	for _, name := range names {
		found := false
		for _, e := range envs {
			ids := slices.Clone(e.Estate.Registries)
			for _, r := range e.Estate.Resources(estate.TypeRegistry) {
				if strings.EqualFold(r.ID.Name(), name) || strings.EqualFold(r.ID.String(), name) || strings.EqualFold(e.Estate.LoginServer(r.ID), name) {
					ids = append(ids, r.ID)
					found = true
				}
			}
			slices.SortFunc(ids, func(x, y azure.ID) int { return strings.Compare(x.Key(), y.Key()) })
			e.Estate.Registries = slices.CompactFunc(ids, azure.ID.Equal)
		}
		if !found {
			return usagef("there is no registry %s in what was read", name)
		}
	}
	return nil
}
