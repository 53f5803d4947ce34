package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

func newBreakglassList(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the requests of a record, and whether it is as it was written",
		Long: `Show the requests that wait, that are in force or past their end; with --all, those that are over as well. It reads the
record alone, and compares every line with the one before it; with --compare it also looks for role assignments in Azure that
carry a mark and that the record does not account for.

Exit codes: 0, 1 something is past its end or not accounted for, 2 the record is not as it was written.`,
		Example: `  aksid breakglass list
  aksid breakglass list --all -o json
  aksid breakglass list --compare --all-subscriptions`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBreakglassList(cmd.Context(), a, o) },
	}
	o.placeFlags(cmd)
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	cmd.Flags().BoolVar(&o.All, "all", false, "also those that are over")
	cmd.Flags().BoolVar(&o.Azure, "compare", false, "compare with the marks in Azure")
	return cmd
}

func runBreakglassList(ctx context.Context, a *App, o breakglassOptions) error {
	rec, damaged := breakglass.File{Path: o.Record}.Read()
	if damaged != nil && !errors.As(damaged, new(*breakglass.Damaged)) {
		return breakglassError(a, damaged)
	}
	now, odd, err := a.marks(ctx, o)
	if err != nil {
		return err
	}
	var shown []*breakglass.Case
	for _, c := range rec.Cases() {
		switch c.State(now) {
		case breakglass.Overdue:
			odd++
		case breakglass.Ended, breakglass.Withdrawn, breakglass.Lapsed:
			if !o.All {
				continue
			}
		}
		shown = append(shown, c)
	}
	if err := a.printCases(o.Output, now, shown...); err != nil {
		return err
	}
	if damaged != nil {
		return breakglassError(a, damaged)
	}
	if odd > 0 {
		return errFindings
	}
	return nil
}

// marks says what time it is, and if Azure is to be compared tells the marks there that the record does not account for.
func (a *App) marks(ctx context.Context, o breakglassOptions) (now time.Time, odd int, err error) {
	if !o.Azure {
		if now, err = a.clock(ctx, o.sourceOptions); err != nil {
			a.note("the local Azure does not run; states are as of this machine's clock")
			now = a.Now()
		}
		return now, 0, nil
	}
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return now, 0, err
	}
	desk, err := a.desk(ctx, live, o, true)
	if err != nil {
		return now, 0, err
	}
	scopes, err := live.Scopes(ctx)
	if err != nil {
		return now, 0, unreadError{err}
	}
	sweep, err := desk.Look(ctx, scopes)
	for _, s := range sweep.Strays {
		a.note("%s: %s (%s)", s.ID, plain.Text(s.What), plain.Text(s.Text))
	}
	if errors.As(err, new(*estate.Refused)) { // a damaged record is told of by itself
		return now, 0, breakglassError(a, err)
	}
	return desk.Now, len(sweep.Strays), nil
}
