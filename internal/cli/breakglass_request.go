package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/finding"
)

func newRequest(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "request CLUSTER",
		Short: "Ask for the least role that mends a finding",
		Long: `Ask for the least role at the least scope that mends a finding of a cluster, or meets a need of it, for a time. It reads
the cluster as check does, writes a line into the record and changes nothing else. A request that nobody approves lapses
after a day.

The role is for the cluster's own identity; with --to, for a person who is to do by hand what the cluster cannot.`,
		Example: `  aksid breakglass request freight-prod --finding control-plane-missing-subnet-join --for 4h --why "INC-4711"
  aksid breakglass request freight-prod --need subnet-join --scope /subscriptions/…/subnets/snet-aks --for 1h --why "INC-4711"
  aksid breakglass request freight-prod --need load-balancer-ip --to $(az ad signed-in-user show --query id -o tsv) --for 2h --why "INC-4712"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runRequest(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	configFlag(cmd, &o.Config)
	o.recordFlag(cmd)
	outputFlag(cmd, &o.Output, "table", "json")
	f := cmd.Flags()
	f.StringVar(&o.Rule, "finding", "", "the `rule` of the finding that it is for")
	f.StringVar(&o.Need, "need", "", "or the `need`, as check -o json names requirements")
	f.StringVar(&o.Scope, "scope", "", "only at this resource `id`")
	f.StringVar(&o.To, "to", "", "object `id` of a person who is to have the role instead of the cluster's identity")
	f.StringVar(&o.Why, "why", "", "why, for the approver and the auditor")
	f.DurationVar(&o.For, "for", 4*time.Hour, "for how `long` from the approval on; at most 168h")
	return cmd
}

func runRequest(ctx context.Context, a *App, o breakglassOptions) error {
	wish, err := o.wish()
	if err != nil {
		return err
	}
	if !wish.To.IsZero() {
		o.Ask = append(o.Ask, wish.To)
	}
	tuning, err := readTuning(o.Config)
	if err != nil {
		return err
	}
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if n := len(e.Clusters); n != 1 {
		return usagef("a request is about one cluster, and there are %d; name it", n)
	}
	roles, err := wish.Roles(e, e.Clusters[0], finding.Options{Tuning: tuning, Now: a.Now()})
	if err != nil {
		return usageError{err}
	}
	desk, err := a.desk(ctx, live, o, false)
	if err != nil {
		return err
	}
	c, err := desk.Request(ctx, breakglass.Asked{Cluster: e.Clusters[0].ID, Rule: wish.Rule, Need: wish.Need, For: breakglass.Span(o.For), Grants: roles}, o.Why)
	if err != nil {
		return breakglassError(a, err)
	}
	if err := a.printCases(o.Output, desk.Now, c); err != nil {
		return err
	}
	a.note("asked for; somebody else approves it with: aksid breakglass approve %s --record %s --apply", c.ID, o.Record)
	return nil
}

// wish is what is asked for.
func (o breakglassOptions) wish() (w breakglass.Wish, err error) {
	w.Rule, w.Need = o.Rule, o.Need
	if (w.Rule == "") == (w.Need == "") {
		return w, usagef("say what it is for: --finding RULE as check names it, or --need ID")
	}
	if o.Scope != "" {
		if w.Scope, err = azure.ParseID(o.Scope); err != nil {
			return w, usagef("--scope %s is no resource id", o.Scope)
		}
	}
	if o.To != "" {
		if w.To, err = azure.ParseGUID(o.To); err != nil {
			return w, usagef("--to %s is no object id; see: az ad user show --id NAME --query id", o.To)
		}
	}
	return w, nil
}
