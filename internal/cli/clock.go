package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/local"
)

func newClock(a *App) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Show or move the clock of the running local Azure",
		Long: `Show the clock of the running local Azure, or move it forward: tokens and secrets expire, propagation and
long operations end, time-bound grants begin and end, without waiting. It never goes back.`,
		Example: `  aksid clock
  aksid clock advance 26h`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error {
				c, err := az.Clock(cmd.Context())
				return a.printClock(c, err)
			})
		},
	}
	advance := &cobra.Command{
		Use:     "advance DURATION",
		Short:   "Move the clock forward",
		Example: "  aksid clock advance 26h\n  aksid clock advance 10m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := time.ParseDuration(args[0])
			if err != nil || by <= 0 {
				return usagef("%q is not a time to go forward by; give one as 26h or 30m", args[0])
			}
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error {
				c, err := az.AdvanceClock(cmd.Context(), by)
				return a.printClock(c, err)
			})
		},
	}
	cmd.PersistentFlags().StringVar(&data, "data", "", dataHelp)
	cmd.AddCommand(advance)
	return cmd
}

func (a *App) printClock(c local.Clock, err error) error {
	if err == nil {
		fmt.Fprintf(a.Out, "%s (%s ahead)\n", c.Now.Format(time.RFC3339), c.Offset)
	}
	return err
}

// onLocal runs something on the running local Azure of a data folder.
func onLocal(ctx context.Context, a *App, data string, do func(*local.Azure) error) error {
	dir, err := a.dataFolder(data)
	if err != nil {
		return err
	}
	az, err := local.Find(ctx, dir)
	if err != nil {
		return err
	}
	return do(az)
}
