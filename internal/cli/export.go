package cli

import (
	"io"

	"github.com/spf13/cobra"

	"aksid/internal/local"
)

func newExport(a *App) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write what the local Azure holds to a file",
		Long: `Write all that the running local Azure holds to a file: resources, role assignments and definitions, deny
assignments, principals and memberships, as aksid check --save writes them. Secrets, keys and data are not in it.

aksid check --from FILE reads it, and aksid up --seed FILE begins with it.`,
		Example: `  aksid export state.json
  aksid up --data ./copy --addr 127.0.0.1:0 --seed state.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return onLocal(cmd.Context(), a, data, func(az *local.Azure) error {
				all, err := az.Export(cmd.Context())
				if err != nil {
					return err
				}
				return writeWhole(args[0], func(w io.Writer) error {
					_, err := w.Write(append(all, '\n'))
					return err
				})
			})
		},
	}
	dataFlag(cmd, &data)
	return cmd
}
