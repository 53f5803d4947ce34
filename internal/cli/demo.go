package cli

import (
	"context"

	"github.com/spf13/cobra"

	"aksid/internal/scenario"
)

func newDemo(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a cluster break for want of two roles, and mend it",
		Long: `Tell the story of a freight company whose AKS cluster lacks two roles: what check says will break, how it breaks,
and how it works again. It happens on a local Azure of its own, in a temporary folder, by real requests.
aksid scenario tells longer ones.`,
		Example: "  aksid demo",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), a) },
	}
}

func runDemo(ctx context.Context, a *App) error {
	_, err := a.play(ctx, scenarioOptions{Name: scenario.Demo.Name, Output: "table"}, scenario.Demo)
	return err
}
