package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/estate"
	"aksid/internal/failure"
	"aksid/internal/finding"
	"aksid/internal/local"
	"aksid/internal/report"
)

type explainOptions struct {
	sourceOptions
	Output      string
	Args        []string
	Events      bool
	ActivityLog bool
	Since       time.Duration
}

func newExplain(a *App) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain [FILE|FOLDER|CODE|TEXT|-]...",
		Short: "Say what a log, an event or an error means: which identity lacks which right, or that identity is not the cause",
		Long: `Say what went wrong: who was refused what, on what, and what ends it; or that identity is not the cause, and what is.

It reads files, folders of logs, a pasted text, standard input (-, or without arguments), and explains codes
(AADSTS7000222, LinkedAuthorizationFailed) and the rules of check. Any wrapping will do: JSON, JSON in JSON, kubectl's
tables, Terraform's boxes, a pipeline's log, a text that is cut off. What is the same is counted once.

With --from it also says whose identity it is and how the same request would be decided now.

Exit codes: 0 explained, 1 nothing was recognised, 2 wrong usage or input, 3 what --from names could not be read.`,
		Example: `  kubectl describe svc web | aksid explain
  aksid explain pipeline.log -o markdown
  aksid explain /var/log/pods --from azure -n aks1
  aksid explain --events
  aksid explain --activity-log --since 6h --from azure
  aksid explain AADSTS700213
  aksid explain "The client '…' with object id '…' does not have authorization to perform action '…'"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Args = args
			return runExplain(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	cmd.Flags().Lookup("from").Usage = "judge with what is known: azure, local, or the `path` of JSON that az printed (default: " + local.FromVar + ", else the text alone)"
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	cmd.Flags().BoolVar(&o.Events, "events", false, "read the events of the cluster that kubectl's context names")
	cmd.Flags().BoolVar(&o.ActivityLog, "activity-log", false, "read the activity log, of Azure, with --from local of the local one, or of files")
	cmd.Flags().DurationVar(&o.Since, "since", 2*time.Hour, "how far back to read the activity log, as in 6h")
	return cmd
}

func runExplain(ctx context.Context, a *App, o explainOptions) error {
	if len(o.Args) == 1 && !isFile(o.Args[0]) {
		if codes := report.NewCodes(o.Args[0]); len(codes.Codes) > 0 {
			return printCodes(a, o.Output, codes)
		}
	}
	var c failure.Collector
	if err := a.gather(ctx, &c, o); err != nil {
		return err
	}
	failures := c.Failures()
	from, judged := "", error(nil)
	if o.From != "" || a.getenv(local.FromVar) != "" {
		from, judged = a.judge(ctx, o.sourceOptions, failures)
	}
	r := report.NewFailures(failures, from, c.Dropped())
	if err := printFailures(a, o.Output, r); err != nil {
		return err
	}
	if judged != nil {
		return judged
	}
	if len(failures) == 0 {
		return errFindings
	}
	return nil
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// judge decides the failures' requests with what an estate knows.
func (a *App) judge(ctx context.Context, o sourceOptions, failures []failure.Failure) (from string, err error) {
	e, err := a.load(ctx, o)
	if err != nil {
		return "", err
	}
	failure.Judge(e, failures)
	return e.From, nil
}

// gather reads what the options and arguments name.
func (a *App) gather(ctx context.Context, c *failure.Collector, o explainOptions) error {
	if o.Events {
		if err := a.events(ctx, c); err != nil {
			return err
		}
	}
	if o.ActivityLog {
		if err := a.activityLog(ctx, c, o); err != nil {
			return err
		}
	}
	if (o.Events || o.ActivityLog) && len(o.Args) == 0 {
		return nil
	}
	return a.collect(ctx, c, o.Args)
}

// events reads Kubernetes events with kubectl, which knows the user's contexts and credentials.
func (a *App) events(ctx context.Context, c *failure.Collector) error {
	cmd := exec.CommandContext(ctx, "kubectl", "get", "events", "--all-namespaces", "--output", "json")
	var says strings.Builder
	cmd.Env, cmd.Stderr = a.Env, &says
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return unreadf("events are read with kubectl, which does not start (%w); pipe them in instead: … | aksid explain", err)
	}
	read := c.Read(untilDone{ctx, out})
	if err := cmd.Wait(); err != nil {
		return unreadf("kubectl get events failed (%w): %s", err, says.String())
	}
	return read
}

func (a *App) activityLog(ctx context.Context, c *failure.Collector, o explainOptions) error {
	source, err := a.source(ctx, o.sourceOptions, func(string) {})
	if err != nil {
		return err
	}
	entries, err := logOf(ctx, source, a.Now().Add(-o.Since))
	if err != nil {
		return err
	}
	b, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	return c.Read(bytes.NewReader(b))
}

// logOf reads the activity log since a time, of Azure, the local Azure or files.
func logOf(ctx context.Context, source estate.Source, since time.Time) (entries []map[string]any, err error) {
	live, ok := source.(estate.Live)
	switch {
	case ok && len(live.Subscriptions) == 0:
		return nil, usagef("--activity-log reads the log of a subscription; name it with --subscription")
	case ok:
		if entries, err = live.ActivityLog(ctx, since); err != nil {
			return nil, unreadError{err}
		}
		return entries, nil
	}
	e, err := source.Load(ctx)
	if err != nil {
		return nil, usageError{err}
	}
	for _, v := range e.Events() {
		entries = append(entries, v.Doc)
	}
	if len(entries) == 0 {
		return nil, usagef("%s holds no activity log; add the output of: az monitor activity-log list --offset 6h", e.From)
	}
	return entries, nil
}

// collect reads what the arguments name: files, folders, standard input; what names nothing is a text.
func (a *App) collect(ctx context.Context, c *failure.Collector, args []string) error {
	if len(args) == 0 {
		if isTerminal(a.In) {
			return usagef("there is nothing to explain; name a file or a code, paste a text in quotes, or pipe something into aksid explain")
		}
		args = []string{"-"}
	}
	var words []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-":
			err = c.Read(untilDone{ctx, a.In})
		case err == nil && info.IsDir():
			err = a.collectFolder(ctx, c, arg)
		case err == nil:
			err = collectFile(ctx, c, arg)
		default:
			words, err = append(words, arg), nil
		}
		if err != nil {
			return unreadError{err}
		}
	}
	if len(words) == 1 && !strings.ContainsAny(words[0], " \n\"'{") {
		return usagef("%q is neither a file, a folder nor a code that is known%s; put a text in quotes", words[0], nearlyCode(words[0]))
	}
	return c.Read(strings.NewReader(strings.Join(words, " ")))
}

// nearlyCode says which code or rule is spelled nearly like a word.
func nearlyCode(word string) string {
	known := &cobra.Command{}
	add := func(name string) { known.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}}) }
	for name := range failure.Names() {
		if !strings.Contains(name, " ") && len(name) > 5 {
			add(name)
		}
	}
	for _, rule := range finding.Rules() {
		add(rule.ID)
	}
	return didYouMean(known, word, "")
}

func (a *App) collectFolder(ctx context.Context, c *failure.Collector, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			a.note("%v; left out", err)
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		if err := collectFile(ctx, c, path); err != nil && ctx.Err() == nil {
			a.note("%v; left out", err)
		}
		return ctx.Err()
	})
}

func collectFile(ctx context.Context, c *failure.Collector, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.Read(untilDone{ctx, f}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// untilDone ends when the context does.
type untilDone struct {
	ctx context.Context
	in  io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

func printFailures(a *App, output string, r report.Failures) error {
	switch output {
	case "json":
		return report.JSON(a.Out, r)
	case "markdown":
		return report.MarkdownFailures(a.Out, r)
	}
	return report.Table{Colour: a.colour()}.PrintFailures(a.Out, r)
}

func printCodes(a *App, output string, r report.Codes) error {
	switch output {
	case "json":
		return report.JSON(a.Out, r)
	case "markdown":
		return report.MarkdownCodes(a.Out, r)
	}
	return report.Table{Colour: a.colour()}.PrintCodes(a.Out, r)
}
