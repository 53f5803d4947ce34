package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newActivate(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "activate REQUEST",
		Short: "Take up the roles that a request makes you eligible for",
		Long: `Take up, through Privileged Identity Management, the roles that an approved request makes you eligible for: until the end
of the request, or for as long as --for says and PIM allows.`,
		Example: `  aksid breakglass activate bg-20261124-k3f9 --apply
  aksid breakglass activate bg-20261124-k3f9 --for 1h --apply`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runActivate(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().DurationVar(&o.For, "for", 0, "for how `long` (default: until the end of the request)")
	return cmd
}

func runActivate(ctx context.Context, a *App, o breakglassOptions, id string) error {
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if ok, err := a.showAndAgree(o, "take it up?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	_, err = desk.Activate(ctx, id, o.For)
	return breakglassError(a, err)
}
