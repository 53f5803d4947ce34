package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/breakglass"
	"aksid/internal/plain"
)

func newExpire(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "expire",
		Short: "Take away what is past its end; for a job to run",
		Long: `Take away every role whose time is over: by the record, and by the marks that role assignments carry, so that nothing is
forgotten that the record lost. It can be run twice, at once, and after a run that crashed. It goes on after an error, and
with a record that is damaged it takes away what it can and says so.

Without --apply it says what it would take away; then the exit code is 1 if there is something.

Exit codes: 0 nothing is past its end any more, 1 something is wrong that a person has to look at, 2 wrong usage, 3 something
could not be read or taken away.`,
		Example: `  aksid breakglass expire
  aksid breakglass expire --apply --yes --all-subscriptions --record /mnt/ops/breakglass.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExpire(cmd.Context(), a, o) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	return cmd
}

func runExpire(ctx context.Context, a *App, o breakglassOptions) error {
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	desk, err := a.desk(ctx, live, o, true)
	if err != nil {
		return err
	}
	scopes, err := live.Scopes(ctx)
	if err != nil {
		return unreadError{err}
	}
	sweep, unread := desk.Look(ctx, scopes)
	over, odd := a.printSweep(sweep, desk.Now)
	switch {
	case over > 0 && !o.Apply:
		a.note("nothing was changed; --apply takes it away")
		odd++
	case over > 0 && !o.Yes:
		if ok, err := a.agreed("take it away?"); err != nil || !ok {
			return err
		}
	}
	if o.Apply {
		unread = errors.Join(unread, desk.Expire(ctx, sweep))
	}
	if unread != nil {
		return breakglassError(a, unread)
	}
	if odd > 0 {
		return errFindings
	}
	return nil
}

// printSweep says what is over, and what is odd besides.
func (a *App) printSweep(s breakglass.Sweep, now time.Time) (over, odd int) {
	for _, c := range s.Overdue {
		if c.State(now) != breakglass.Over {
			over++
		}
		for _, g := range c.Asked.Grants {
			fmt.Fprint(a.Out, wrap("  ", plain.Text(fmt.Sprintf("%s, over since %s: %s for %s, on %s", c.ID, stamp(c.Until), g.RoleName, g.PrincipalName, g.Scope))))
		}
	}
	for _, stray := range s.Strays {
		if stray.Over {
			over++
		} else {
			odd++
		}
		fmt.Fprint(a.Out, wrap("  ", plain.Text(fmt.Sprintf("%s: %s (%s)", stray.ID, stray.What, stray.Text))))
	}
	if over+odd+len(s.Overdue) == 0 {
		fmt.Fprintln(a.Out, "Nothing is past its end.")
	}
	return over, odd
}
