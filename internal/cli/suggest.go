package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// group makes a command of one that only holds others: alone it explains itself, and what it does not hold is a mistake.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	return cmd
}

// strict lets the commands that come with cobra complain of what they do not know, as all others do.
func strict(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			group(cmd)
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 && of.HasAvailableSubCommands() {
					err = unknownCommand(of, rest[0])
				}
				return err
			}
		}
	}
	root.SetFlagErrorFunc(unknownFlag)
}

func unknownCommand(parent *cobra.Command, name string) error {
	return usagef("there is no command %q%s; see: %s --help", name, didYouMean(parent, name, ""), parent.CommandPath())
}

// unknownFlag adds to what pflag says of a flag that is not there which one was meant.
func unknownFlag(cmd *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || len(missing.GetSpecifiedName()) < 2 {
		return err
	}
	flags := &cobra.Command{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Hidden: f.Hidden, Run: func(*cobra.Command, []string) {}})
	})
	if meant := didYouMean(flags, missing.GetSpecifiedName(), "--"); meant != "" {
		return usagef("%w%s; see: %s --help", err, meant, cmd.CommandPath())
	}
	return err
}

// didYouMean names what a command holds that is spelled nearly like a name.
func didYouMean(parent *cobra.Command, name, prefix string) string {
	parent.SuggestionsMinimumDistance = 2
	near := slices.Compact(slices.Sorted(slices.Values(parent.SuggestionsFor(name))))
	if len(near) == 0 {
		return ""
	}
	return ", did you mean " + prefix + strings.Join(near, " or "+prefix) + "?"
}
