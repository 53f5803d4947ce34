package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"aksid/internal/breakglass"
)

func newApprove(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "approve REQUEST",
		Short: "Approve a request of somebody else, and give its roles",
		Long: `Approve a request, and give its roles until its time is over. Who asked, and who is to have the roles, cannot approve.
Without --apply it shows what would be given and changes nothing.

A cluster's identity gets its role active and with an end through Privileged Identity Management; a person is made eligible,
and takes it up with "aksid breakglass activate". Where the tenant has no PIM, or with --how assignment, the role is assigned
with a mark, and "aksid breakglass expire" takes it away.

A run that was interrupted is completed by running it again.`,
		Example: `  aksid breakglass approve bg-20261124-k3f9
  aksid breakglass approve bg-20261124-k3f9 --apply`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runApprove(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().StringVar(&o.How, "how", "", "`way` to give roles: pim or assignment (default: PIM where the tenant has it)")
	return cmd
}

func runApprove(ctx context.Context, a *App, o breakglassOptions, id string) error {
	how := breakglass.How(o.How)
	if how != "" && how != breakglass.Active && how != breakglass.Assignment {
		return usagef("--how is pim or assignment, not %q", o.How)
	}
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if err := desk.MayApprove(c); err != nil {
		return breakglassError(a, err)
	}
	if ok, err := a.showAndAgree(o, "approve it?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	c, err = desk.Approve(ctx, id, how)
	if err != nil {
		return breakglassError(a, err)
	}
	fmt.Fprintf(a.Out, "%s is in force until %s.\n", c.ID, stamp(c.Until))
	for _, g := range c.Given {
		if g.How == breakglass.Eligible {
			a.note("a person takes up what it is eligible for with: aksid breakglass activate %s --apply", c.ID)
			break
		}
		if g.How == breakglass.Assignment {
			a.note("Azure does not end it: have a job run aksid breakglass expire --apply --yes")
			break
		}
	}
	return nil
}
