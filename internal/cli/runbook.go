package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
	"aksid/internal/report"
)

type runbookOptions struct {
	sourceOptions
	Config string
	Out    string // folder; "": standard output
}

func newRunbook(a *App) *cobra.Command {
	var o runbookOptions
	cmd := &cobra.Command{
		Use:   "runbook [CLUSTER...] [-o DIR]",
		Short: "Write a page per cluster: which identity does what, what to do for each symptom, what to run",
		Long: `Write a Markdown page for each cluster: which identity does what and with which roles, what to do when something does not work,
and which checks to run. Into a folder, or to standard output without one.

Pages are there to be made anew: the same input makes the same page, but for the time that it states (` + epochVar + `
fixes it). "aksid check --ids PAGE" says whether a copy names ids that are not those of the cluster any more.
Files in the folder that are no such pages are left alone, and pages of clusters that are not there any more are told.

Exit codes: 0 written, 2 wrong usage or input, 3 written, but something needed could not be read; the pages say what.`,
		Example: `  aksid runbook -n aks1
  aksid runbook --all-subscriptions -o docs/runbooks
  aksid check --ids docs/runbooks/rg1.aks1.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runRunbook(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	configFlag(cmd, &o.Config)
	cmd.Flags().StringVarP(&o.Out, "output", "o", "", "`folder` for the pages; it is made if it is not there")
	return cmd
}

func runRunbook(ctx context.Context, a *App, o runbookOptions) error {
	tuning, err := readTuning(o.Config)
	if err != nil {
		return err
	}
	now, err := a.clock(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if now, err = a.fixedTime(cmp.Or(e.At, now)); err != nil { // what is read is as it was then, also where it is kept
		return err
	}
	if len(e.Clusters) == 0 {
		return usagef("there is no cluster in %s to write about", e.From)
	}
	books := runbooks(e, finding.Options{Tuning: tuning, Now: now}, built().Version)
	if o.Out == "" {
		err = a.printRunbooks(books)
	} else {
		err = a.writeRunbooks(o.Out, books)
	}
	if err == nil && len(e.Incomplete) > 0 {
		return unreadf("the pages say what could not be read")
	}
	return err
}

func runbooks(e *estate.Estate, o finding.Options, version string) (books []report.Runbook) {
	for _, c := range e.Clusters {
		books = append(books, report.NewRunbook(e, o.Check(e, c), o.Now, version))
	}
	return books
}

func (a *App) printRunbooks(books []report.Runbook) error {
	for i, b := range books {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		if err := b.Write(a.Out); err != nil {
			return err
		}
	}
	return nil
}

// writeRunbooks writes the pages into a folder. A file of the same name that is no page of the cluster stays as it is.
func (a *App) writeRunbooks(dir string, books []report.Runbook) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usagef("%s cannot be made: %w", dir, err)
	}
	names := map[string]azure.ID{}
	for _, b := range books {
		name := b.FileName()
		if other, taken := names[name]; taken {
			name = strings.TrimSuffix(name, ".md") + "." + b.Cluster.ID.Subscription() + ".md"
			a.note("%s and %s are of one name; the page of the second is %s", plain.Text(other.String()), plain.Text(b.Cluster.ID.String()), name)
		}
		names[name] = b.Cluster.ID
		if err := writeRunbook(filepath.Join(dir, name), b); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, filepath.Join(dir, name))
	}
	return a.noteStale(dir, names)
}

func writeRunbook(path string, b report.Runbook) error {
	switch old, err := plain.ReadFile(path, maxPage); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return usagef("%s cannot be read: %w", path, err)
	default:
		if id, ok := report.RunbookOf(old); !ok || !id.Equal(b.Cluster.ID) {
			return usagef("%s is there and is no page about %s; move it away, or choose another folder", path, b.Cluster.ID)
		}
	}
	var page bytes.Buffer
	if err := b.Write(&page); err != nil {
		return err
	}
	if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
		return usagef("%s cannot be written: %w", path, err)
	}
	return nil
}

// maxPage bounds a page that is read, in bytes.
const maxPage = 16 << 20

// noteStale tells of pages in a folder that are about other clusters than those of this run.
func (a *App) noteStale(dir string, written map[string]azure.ID) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return usagef("%s cannot be read: %w", dir, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !strings.HasSuffix(entry.Name(), ".md") || !written[entry.Name()].IsZero() {
			continue
		}
		page, err := plain.ReadFile(filepath.Join(dir, entry.Name()), maxPage)
		if err != nil {
			continue // none of ours
		}
		if id, ok := report.RunbookOf(page); ok {
			a.note("%s is about %s, which was not read; remove the page if the cluster is gone", plain.Text(filepath.Join(dir, entry.Name())), plain.Text(id.String()))
		}
	}
	return nil
}
