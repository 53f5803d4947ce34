package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/local"
)

func newFault(a *App) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Let calls to the running local Azure fail on purpose",
		Long: `Let calls to the running local Azure fail on purpose, to see what a client makes of it.
A call that meets a fault gets an error and does nothing. Faults are gone when the local Azure stops.`,
		Example: `  aksid fault add --action Microsoft.Network/loadBalancers/write --status 503 --times 3
  aksid fault list
  aksid fault clear`,
	}
	cmd.PersistentFlags().StringVar(&data, "data", "", dataHelp)
	return group(cmd, newFaultAdd(a, &data), &cobra.Command{
		Use: "list", Short: "List the faults that have not all happened", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error {
				all, err := az.Faults(cmd.Context())
				if err == nil {
					a.printFaults(all)
				}
				return err
			})
		},
	}, &cobra.Command{
		Use: "clear", Short: "Forget all faults", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error { return az.ClearFaults(cmd.Context()) })
		},
	})
}

func newFaultAdd(a *App, data *string) *cobra.Command {
	var f local.Fault
	cmd := &cobra.Command{
		Use:     "add --action ACTION",
		Short:   "Let the next calls that need an action fail",
		Example: "  aksid fault add --action '*/write' --status 429 --retry-after 5s --times 10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Action == "" {
				return usagef("name what is to fail, as in: aksid fault add --action Microsoft.Network/loadBalancers/write")
			}
			return onLocal(cmd.Context(), a, *data, func(az *local.Azure) error {
				added, err := az.AddFault(cmd.Context(), f)
				if err == nil {
					a.printFaults([]local.Fault{added})
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&f.Action, "action", "", "RBAC `action` that the calls need; * as in roles")
	cmd.Flags().IntVar(&f.Status, "status", 503, "HTTP `status` to answer with")
	cmd.Flags().StringVar(&f.Code, "code", "", "error `code` to answer with (default: the status's usual one)")
	cmd.Flags().IntVar(&f.Times, "times", 1, "how `many` calls fail")
	cmd.Flags().DurationVar(&f.RetryAfter, "retry-after", 0, "`time` after which the client should try again, as 5s")
	return cmd
}

func (a *App) printFaults(all []local.Fault) {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tACTION\tSTATUS\tTIMES\tRETRY AFTER")
	for _, f := range all {
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%s\n", f.ID, f.Action, f.Status, f.Times, f.RetryAfter.Round(time.Second))
	}
	w.Flush()
}
