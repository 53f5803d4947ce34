package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/remedy"
	"aksid/internal/report"
)

type fixOptions struct {
	sourceOptions
	Output string
	Out    string // folder for the files of a module
	Config string
	Only   []string // rules
	Apply  bool
	Yes    bool
}

func newFix(a *App) *cobra.Command {
	var o fixOptions
	cmd := &cobra.Command{
		Use:   "fix [CLUSTER...]",
		Short: "Plan the least changes that mend what check finds, and carry them out if told to",
		Long: `Plan the least changes that mend what check finds, in order: rights are given first, then what depends on them is
done, and rights are taken away last. Each step says what it changes, why, and how to undo it.

Without --apply it only reads. With it, it gives and takes roles, waits until what was given counts, checks again before it takes
anything away, and stops at the first surprise. What replaces nodes or undoes somebody's decision is left to you.

Findings that are notes are mended only if --only names their rule.

Exit codes: 0 a plan, or nothing to mend; with --apply as check's.`,
		Example: `  aksid fix
  aksid fix -n aks1 -g rg1 --registry acr1 > fix.sh
  aksid fix -n aks1 -o bicep --out infra/roles
  aksid fix --only wide-scope --only broad-role -o terraform
  aksid fix --from local --apply --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runFix(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	configFlag(cmd, &o.Config)
	outputFlag(cmd, &o.Output, "az", "bicep", "arm", "terraform", "json")
	cmd.Flags().StringVar(&o.Out, "out", "", "`folder` to write the files of -o bicep and -o terraform to (default: standard output)")
	cmd.Flags().StringArrayVar(&o.Only, "only", nil, "mend only what this `rule` finds; can be repeated")
	cmd.Flags().BoolVar(&o.Apply, "apply", false, "carry the plan out, after asking")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "do not ask")
	return cmd
}

func runFix(ctx context.Context, a *App, o fixOptions) error {
	options, err := o.options(a)
	if err != nil {
		return err
	}
	if o.Apply {
		return runApply(ctx, a, o, options)
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	plan := remedy.New(e, o.wishes(e, options))
	switch o.Output {
	case "json":
		return report.JSON(a.Out, plan.Document())
	case "az":
		_, err := fmt.Fprint(a.Out, plan.Script())
		return err
	}
	files, err := moduleOf(plan, o.Output)
	if err != nil {
		return err
	}
	return a.writeFiles(o.Out, files)
}

// options are how the plan's check is made.
func (o fixOptions) options(a *App) (finding.Options, error) {
	for _, id := range o.Only {
		if !slices.ContainsFunc(finding.Rules(), func(r *finding.Rule) bool { return r.ID == id }) {
			return finding.Options{}, usagef("there is no rule %q; docs/findings.md has them all", id)
		}
	}
	t, err := readTuning(o.Config)
	return finding.Options{Tuning: t, Now: a.Now()}, err
}

// wishes are the changes that the findings ask for, as far as they are wanted. What AKS has granted itself is left alone.
func (o fixOptions) wishes(e *estate.Estate, options finding.Options) []remedy.Wish {
	var out []remedy.Wish
	for _, c := range e.Clusters {
		for _, f := range options.Check(e, c).Findings {
			if len(o.Only) == 0 && f.Severity == finding.Note || len(o.Only) > 0 && !slices.Contains(o.Only, f.Rule.ID) {
				continue
			}
			for _, change := range f.Remedy {
				out = append(out, remedy.Wish{Change: change, Cluster: c, Rule: f.Rule.ID, Why: f.Title, Needs: f.NeedsOf(change)})
			}
		}
	}
	return out
}

// moduleOf are the files of a plan in a language.
func moduleOf(p remedy.Plan, language string) ([]remedy.File, error) {
	switch language {
	case "bicep":
		return p.Bicep(), nil
	case "arm":
		return p.ARM(), nil
	case "terraform":
		return p.Terraform(), nil
	}
	return nil, usagef("there is no module in %q", language)
}

// writeFiles writes files to a folder, none over one that is there, or one after the other to standard output.
func (a *App) writeFiles(dir string, files []remedy.File) error {
	if dir == "" {
		for _, f := range files {
			if len(files) > 1 {
				fmt.Fprintf(a.Out, "-- %s --\n", f.Name)
			}
			if _, err := fmt.Fprint(a.Out, f.Text); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := writeNew(path, f.Text); err != nil {
			return usagef("%s cannot be written: %w", path, err)
		}
		a.note("wrote %s", path)
	}
	return nil
}

func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// agreed asks whether to go on; anything but yes is no.
func (a *App) agreed(question string) (bool, error) {
	if !isTerminal(a.In) {
		return false, usagef("there is nobody to ask; say --yes to carry the plan out")
	}
	fmt.Fprintf(a.Err, "aksid: %s [y/N] ", question)
	var answer string
	if _, err := fmt.Fscanln(a.In, &answer); err != nil {
		return false, nil
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), nil
}
