package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/cloud"
	"aksid/internal/local"
	"aksid/internal/report"
	"aksid/internal/scenario"
)

type scenarioOptions struct {
	Name   string
	Output string
	Data   string
	List   bool
	Step   bool
	Until  int
	Keep   bool
}

func newScenario(a *App) *cobra.Command {
	var o scenarioOptions
	names := make([]string, len(scenario.Stories))
	for i, s := range scenario.Stories {
		names[i] = s.Name
	}
	cmd := &cobra.Command{
		Use:   "scenario [NAME]",
		Short: "Play a case study through and measure its figures",
		Long: `Play a case study through on a local Azure of its own: its world is built by real requests, each by whoever makes it, what
fails there fails, what mends it is done with aksid's own commands, and the figures of the case are measured on the way.

Without a name, or with --list, it lists the case studies. Exit codes: 0 all figures hold, 1 one does not.`,
		Example: `  aksid scenario --list
  aksid scenario freight
  aksid scenario game --step                         # wait for Enter after each step
  aksid scenario water --until 4 --keep              # stop after step 4 and leave everything running, to look around
  aksid scenario freight -o markdown > freight.md`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Name = args[0]
			}
			return runScenario(cmd.Context(), a, o)
		},
	}
	outputFlag(cmd, &o.Output, "table", "markdown", "json")
	f := cmd.Flags()
	f.BoolVar(&o.List, "list", false, "list the case studies, or the steps of one")
	f.BoolVar(&o.Step, "step", false, "wait for Enter after each step")
	f.IntVar(&o.Until, "until", 0, "end after this `step`")
	f.BoolVar(&o.Keep, "keep", false, "leave the local Azure running afterwards, until it is interrupted, and its data folder for good")
	f.StringVar(&o.Data, "data", "", "`folder` for the local Azure, which must not be there yet (default: a temporary one)")
	return cmd
}

func runScenario(ctx context.Context, a *App, o scenarioOptions) error {
	story, ok := scenario.Find(o.Name)
	switch {
	case o.Name == "":
		return a.listScenarios(o, scenario.Stories...)
	case !ok:
		return usagef("there is no scenario %q; see: aksid scenario --list", o.Name)
	case o.List:
		return a.listScenarios(o, story)
	case o.Until < 0 || o.Until > len(story.Steps()):
		return usagef("%s has %d steps; --until takes one of them", story.Name, len(story.Steps()))
	case o.Step && o.Output != "table":
		return usagef("--step is for reading along; leave -o out")
	}
	holds, err := a.play(ctx, o, story)
	if err == nil && !holds {
		return errFindings
	}
	return err
}

// play tells a story on a local Azure of its own and reports whether its figures hold.
func (a *App) play(ctx context.Context, o scenarioOptions, story scenario.Story) (holds bool, err error) {
	signal.Ignore(syscall.SIGPIPE) // of a reader that has gone: what was made is to be removed all the same
	defer func() {
		if errors.Is(err, syscall.EPIPE) {
			err = context.Canceled
		}
	}()
	dir, err := sceneFolder(o)
	if err != nil {
		return false, err
	}
	defer func() {
		switch {
		case !o.Keep:
			err = errors.Join(err, os.RemoveAll(dir))
		case err != nil:
			a.note("what there is so far is kept; look at it with: aksid up --data %s", dir)
		}
	}()
	files := filepath.Join(dir, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return false, folderError(dir, err)
	}
	record, err := a.recorder(upOptions{Record: filepath.Join(files, scenario.RecordFile)})
	if err != nil {
		return false, err
	}
	defer record.close()
	s, err := serve(ctx, a, cloud.Config{Dir: dir, Addr: "127.0.0.1:0", Now: a.Now, Log: a.log(), Decided: record.decided()})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	az, err := local.Find(ctx, dir)
	if err != nil {
		return false, err
	}
	t := newTeller(ctx, a, o)
	t.begin(story)
	holds, err = story.Tell(ctx, &scenario.Stage{Teller: t, Azure: az, Folder: files, Now: a.Now, Aksid: a.asUser(az)}, o.Until)
	if err == nil {
		err = t.end(story)
	}
	if err == nil && o.Keep {
		a.printKept(s, files)
		select {
		case <-ctx.Done(): // how it is meant to end
		case err = <-s.failed:
		}
	}
	return holds, err
}

// sceneFolder makes the data folder of a story.
func sceneFolder(o scenarioOptions) (string, error) {
	if o.Data == "" {
		dir, err := os.MkdirTemp("", "aksid-"+o.Name+"-")
		if err != nil {
			return "", unreadf("no temporary folder can be made: %w", err)
		}
		return dir, nil
	}
	dir, err := filepath.Abs(o.Data)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return "", usagef("a new data folder cannot be made (%w); name one that is not there yet with --data", err)
	}
	return dir, nil
}

// asUser runs commands as somebody does who works with a local Azure.
func (a *App) asUser(az *local.Azure) func(context.Context, local.Credential, func() time.Time, []string) (string, string, int) {
	return func(ctx context.Context, as local.Credential, now func() time.Time, args []string) (string, string, int) {
		env := append(slices.Clone(a.Env), local.DataVar+"="+az.Dir, local.FromVar+"="+local.From)
		if as.Secret != "" {
			env = append(env, "AZURE_TENANT_ID="+as.Tenant.String(), "AZURE_CLIENT_ID="+as.ClientID.String(), "AZURE_CLIENT_SECRET="+as.Secret)
		}
		var out, says bytes.Buffer
		inner := &App{In: bytes.NewReader(nil), Out: &out, Err: &says, Now: now, Env: env}
		code := inner.Run(ctx, args)
		return out.String(), says.String(), code
	}
}

// printKept says how to use what a story has left.
func (a *App) printKept(s *server, files string) {
	fmt.Fprintf(a.Err, `aksid: the local Azure of this story goes on at %s until it is interrupted; in another terminal:
  export %s=%s %s=%s
  cd %s
  aksid check
  aksid exec -- az aks list -o table
aksid: later it starts again with: aksid up --data %s
`, s.URL, local.DataVar, s.dir, local.FromVar, local.From, files, s.dir)
}

// listed is a case study in the list.
type listed struct {
	Name  string   `json:"name"`
	Title string   `json:"title"`
	Case  string   `json:"case"`
	Given []string `json:"given"`
	Steps []string `json:"steps"`
}

// listScenarios lists case studies; one alone with its steps.
func (a *App) listScenarios(o scenarioOptions, stories ...scenario.Story) error {
	var out []listed
	for _, s := range stories {
		out = append(out, listed{s.Name, s.Title, s.Case, append([]string{}, s.Given...), s.Steps()})
	}
	switch o.Output {
	case "json":
		return report.JSON(a.Out, out)
	case "markdown":
		return usagef("a list is -o table or json; -o markdown is for a story that is told")
	}
	for _, s := range out {
		fmt.Fprintf(a.Out, "%-10s%s\n%s", s.Name, s.Title, wrap("          ", s.Case))
	}
	if len(out) > 1 {
		return nil
	}
	fmt.Fprintln(a.Out)
	for i, title := range out[0].Steps {
		fmt.Fprintf(a.Out, "%2d. %s\n", i+1, title)
	}
	return nil
}
