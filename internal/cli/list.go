package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"aksid/internal/estate"
	"aksid/internal/report"
)

type listOptions struct {
	sourceOptions
	Output  string
	Changes bool
	Since   string
	Save    string
}

func newList(a *App) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "list [CLUSTER...]",
		Short: "List clusters and their identities: kinds, owners, who may change them, since when, and how their roles changed",
		Long: `List clusters and the identities that they act as: of which kind, whose by their tags, how many roles, since when, and who may
change the cluster. With --changes: which roles these identities were given or lost, when and by whom.

What was given an assignment says itself, as long as it is there. What was taken away the activity log alone tells, which Azure
keeps for 90 days; roles on management groups are not in the logs of subscriptions.

Exit codes: 0 listed, 2 wrong usage or input, 3 something needed could not be read.`,
		Example: `  aksid list
  aksid list --all-subscriptions -o json
  aksid list --changes --since 7d
  aksid list -g rg1 -o markdown > clusters.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			if cmd.Flags().Changed("since") && !o.Changes {
				return usagef("--since is about --changes; add it")
			}
			return runList(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	f := cmd.Flags()
	f.BoolVar(&o.Changes, "changes", false, "say how the roles of the identities have changed")
	f.StringVar(&o.Since, "since", "30d", "changes of the last `time`, as 30d or 12h")
	f.StringVar(&o.Save, "save", "", "keep what was read in a `file`, for --from FILE by someone without the rights")
	return cmd
}

func runList(ctx context.Context, a *App, o listOptions) error {
	back, err := parseSpan(o.Since)
	if err != nil {
		return err
	}
	now, err := a.clock(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	o.Keep = o.Save != ""
	if o.Changes {
		o.History = estate.History{Since: now.Add(-back), Now: now, Providers: []string{"Microsoft.Authorization"}}
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if err := saveEstate(o.Save, e); err != nil {
		return err
	}
	now = cmp.Or(e.At, now) // what was kept is as it was then
	r := report.NewInventory(e, now)
	if o.Changes {
		r.AddChanges(e, now.Add(-back))
	}
	if err := r.Print(a.Out, o.Output, a.colour()); err != nil {
		return err
	}
	if r.Unsure() {
		return unreadf("not everything could be told; the output says what could not be read")
	}
	return nil
}
