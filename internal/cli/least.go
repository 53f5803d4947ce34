package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/access"
)

type leastOptions struct {
	File   string
	Output string
	All    bool
}

func newLeast(a *App) *cobra.Command {
	var o leastOptions
	cmd := &cobra.Command{
		Use:   "least FILE",
		Short: "Print the smallest roles that allow exactly what was recorded",
		Long: `Read what "aksid up --record FILE" wrote and print, for each principal and place, the custom role that allows exactly
what it used there. With --enforce log the principal can do everything while it is recorded; --all counts what it lacked.`,
		Example: `  aksid up --enforce log --record used.jsonl
  aksid least used.jsonl --all
  aksid least used.jsonl -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.File = args[0]
			return runLeast(a, o)
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "count refused uses too")
	cmd.Flags().StringVarP(&o.Output, "output", "o", "table", "output `format`: table, json")
	return cmd
}

func runLeast(a *App, o leastOptions) error {
	if o.Output != "table" && o.Output != "json" {
		return usagef("there is no output format %q; choose table or json", o.Output)
	}
	f, err := os.Open(o.File)
	if err != nil {
		return usagef("cannot read the record (%w); make one with: aksid up --record %s", err, o.File)
	}
	defer f.Close()
	uses, err := access.ReadUses(f)
	if err != nil {
		return usagef("%s: %w; make a record with: aksid up --record FILE", o.File, err)
	}
	roles := access.Least(uses, o.All)
	if o.Output == "json" {
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(roles)
	}
	for i, r := range roles {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "%s at %s\n", r.Principal, r.Scope)
		for _, action := range r.Actions {
			fmt.Fprintln(a.Out, "  "+action)
		}
		for _, action := range r.DataActions {
			fmt.Fprintln(a.Out, "  "+action+" (data)")
		}
		fmt.Fprintln(a.Out, "  "+strings.Join(r.Commands("role.json")[1:], "\n  "))
	}
	return nil
}
