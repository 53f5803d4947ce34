package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newRevoke(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:     "revoke REQUEST",
		Short:   "Take away what a request gave, or withdraw it",
		Long:    "Take away what a request gave before its time is over; a request that nobody approved yet is withdrawn.",
		Example: `  aksid breakglass revoke bg-20261124-k3f9 --why "ingress works again" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRevoke(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().StringVar(&o.Why, "why", "", "why")
	return cmd
}

func runRevoke(ctx context.Context, a *App, o breakglassOptions, id string) error {
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if ok, err := a.showAndAgree(o, "take it back?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	c, err = desk.Revoke(ctx, id, o.Why)
	if err != nil {
		return breakglassError(a, err)
	}
	fmt.Fprintf(a.Out, "%s is %s.\n", c.ID, c.State(desk.Now))
	return nil
}
