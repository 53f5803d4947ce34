package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/access"
	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/report"
)

type leastOptions struct {
	sourceOptions
	File        string // a record; "" with ActivityLog
	ActivityLog bool
	Since       time.Duration
	Principal   string
	Output      string
	All         bool
}

func newLeast(a *App) *cobra.Command {
	var o leastOptions
	cmd := &cobra.Command{
		Use:   "least FILE | least --activity-log [CLUSTER...]",
		Short: "Print the smallest roles that allow what was done",
		Long: `Print, for each principal and place, the custom role that allows what it used there, and nothing else.

FILE is what "aksid up --record FILE" wrote: every right that the local Azure decided on. With --enforce log the principal can
do everything while it is recorded; --all counts what it lacked.

With --activity-log it is what the identities of the clusters did by the activity log. That holds no reads, nothing that is
checked on linked resources (joins) and nothing of data planes, so the roles are completed from what clusters are known to
need, and each such action says which requirement it comes from.`,
		Example: `  aksid up --enforce log --record used.jsonl
  aksid least used.jsonl --all
  aksid least used.jsonl --principal $(az identity show -g rg1 -n id1 --query principalId -o tsv) -o json
  aksid least --activity-log aks1 --since 720h
  aksid least --activity-log --from exports/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.ActivityLog {
				return nil
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.ActivityLog {
				o.Clusters = args
			} else {
				o.File = args[0]
			}
			return runLeast(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	outputFlag(cmd, &o.Output, "table", "json")
	cmd.Flags().BoolVar(&o.ActivityLog, "activity-log", false, "read what was done from the activity log")
	cmd.Flags().DurationVar(&o.Since, "since", estate.LogKept, "how far back to read the activity log, as in 720h")
	cmd.Flags().StringVar(&o.Principal, "principal", "", "only the roles of this object `id`")
	cmd.Flags().BoolVar(&o.All, "all", false, "count refused uses too")
	return cmd
}

func runLeast(ctx context.Context, a *App, o leastOptions) error {
	var only azure.GUID
	if o.Principal != "" {
		var err error
		if only, err = azure.ParseGUID(o.Principal); err != nil {
			return usagef("--principal %s is no object id; see: az identity show --query principalId", o.Principal)
		}
	}
	uses, err := a.uses(ctx, o)
	if err != nil {
		return err
	}
	roles := slices.DeleteFunc(access.Least(uses, o.All), func(r access.Role) bool { return !only.IsZero() && r.Principal != only })
	if o.Output == "json" {
		return report.JSON(a.Out, append([]access.Role{}, roles...))
	}
	for i, r := range roles {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		a.printRole(r)
	}
	return nil
}

func (a *App) uses(ctx context.Context, o leastOptions) ([]access.Use, error) {
	if o.ActivityLog {
		return a.usesOfLog(ctx, o)
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, usagef("cannot read the record (%w); make one with: aksid up --record %s", err, o.File)
	}
	defer f.Close()
	uses, err := access.ReadUses(f)
	if err != nil {
		return nil, usagef("%s: %w; make a record with: aksid up --record FILE", o.File, err)
	}
	return uses, nil
}

func (a *App) usesOfLog(ctx context.Context, o leastOptions) ([]access.Use, error) {
	now := a.Now()
	o.History = estate.History{Since: now.Add(-o.Since), Now: now}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return nil, err
	}
	for _, gap := range e.Incomplete {
		a.note("%s could not be read (%s)", gap.What, gap.Why)
	}
	if len(e.Events()) == 0 {
		return nil, usagef("%s holds no activity log of the time; look further back with --since, or add the output of: az monitor activity-log list --offset 30d", e.From)
	}
	return access.FromLog(e), nil
}

func (a *App) printRole(r access.Role) {
	fmt.Fprintf(a.Out, "%s at %s\n", r.Principal, r.Scope)
	for _, list := range []struct {
		actions []string
		what    string
	}{{r.Actions, ""}, {r.DataActions, " (data)"}} {
		for _, action := range list.actions {
			line := "  " + action + list.what
			if from := r.Completed[action]; from != "" {
				line += "   (not in the log; from the catalogue: " + from + ")"
			}
			fmt.Fprintln(a.Out, line)
		}
	}
	fmt.Fprintln(a.Out, "  "+strings.Join(r.Commands("role.json")[1:], "\n  "))
}
