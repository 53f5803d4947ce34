// Package cli is the command line. Each command is a file: newX(*App) reads flags into xOptions, runX(ctx, *App, xOptions) works.
//
// Rules of the user interface:
//   - Standard output carries what was asked for and nothing else, so that it can be piped.
//   - Everything else (errors, warnings, progress) goes to standard error, each line beginning with "aksid: ",
//     except for the log of a running local Azure.
//   - An error is one line: what, where, and after a semicolon what to do next. Never a stack trace.
//   - The exit code says what kind of error it was (exit.go).
//   - Colour only where standard output is a terminal and neither NO_COLOR nor TERM=dumb says otherwise; nothing is said by colour alone.
//   - Nothing asks a question but what is about to change something (--apply), which --yes answers, scenario --step
//     and an encrypted key: every command works in a script as it does by hand.
//   - Secrets are never printed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"aksid/internal/local"
)

// App is what a command has of the world.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // as os.Environ
	Now      func() time.Time
	found    []*local.Azure // whose connections end with the command
}

// Main runs the command line of this process and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Now: time.Now}
	return app.Run(ctx, os.Args[1:])
}

// Run runs one command line, reports its error and returns the exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	defer func() {
		for _, az := range a.found { // stories run many commands in one process
			az.Client().CloseIdleConnections()
		}
	}()
	return a.execute(ctx, newRoot(a), args)
}

func (a *App) execute(ctx context.Context, root *cobra.Command, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil {
			code = a.report(fmt.Errorf("%w: %v", errInternal, p))
		}
	}()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(context.WithValue(ctx, started{}, nil)) // demo runs check inside itself
	if err != nil && cmd.Context().Value(started{}) == nil && !errors.As(err, new(usageError)) {
		err = usagef("%w; see: %s --help", err, cmd.CommandPath())
	}
	return a.report(err)
}

// started is the key of a context that is there once a command's arguments were accepted: errors before are usage errors.
type started struct{}

func newRoot(a *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "aksid",
		Short: "Know, test and fix the identities of AKS clusters",
		Long: `aksid says which identities an AKS cluster uses, where they have roles and what breaks without them,
and it runs a local Azure that enforces RBAC, on which the unmodified az, SDKs and Terraform work.`,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			cmd.SetContext(context.WithValue(cmd.Context(), started{}, true))
		},
	}
	group(root)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	for title, commands := range a.commands() {
		root.AddGroup(&cobra.Group{ID: title, Title: title + ":"})
		for _, c := range commands {
			c.GroupID = title
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID(program)
	root.SetCompletionCommandGroupID(program)
	root.Version = built().String()
	root.SetVersionTemplate("{{.Version}}\n")
	strict(root)
	return root
}

func init() { cobra.EnableCommandSorting = false } // commands stand in the order of use

// program is the group of commands about aksid itself.
const program = "This program"

// commands are all commands, in groups with a title, in the order of use.
func (a *App) commands() iter.Seq2[string, []*cobra.Command] {
	return func(yield func(string, []*cobra.Command) bool) {
		_ = yield("What an identity lacks", []*cobra.Command{newCheck(a), newExplain(a), newFix(a), newWait(a)}) &&
			yield("The practice", []*cobra.Command{newList(a), newDiff(a), newWhoCan(a), newPolicy(a), newBreakglass(a), newWatch(a), newEvidence(a), newRunbook(a)}) &&
			yield("Proof", []*cobra.Command{newDemo(a), newScenario(a), newDrill(a), newLeast(a)}) &&
			yield("The local Azure", []*cobra.Command{newUp(a), newExec(a), newToken(a), newClock(a), newFault(a), newKubernetes(a), newExport(a)}) &&
			yield(program, []*cobra.Command{newVersion(a)})
	}
}

// getenv is os.Getenv for the app's environment: the last entry of a name counts, as it does in a shell.
func (a *App) getenv(name string) string {
	for _, entry := range slices.Backward(a.Env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// colour reports whether standard output may be coloured.
func (a *App) colour() bool {
	return isTerminal(a.Out) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// log is where a local Azure reports its own faults.
func (a *App) log() *slog.Logger { return slog.New(slog.NewTextHandler(a.Err, nil)) }

// note writes a line to standard error.
func (a *App) note(format string, args ...any) {
	fmt.Fprintf(a.Err, "aksid: "+format+"\n", args...)
}

// dataFlag adds --data to a command.
func dataFlag(cmd *cobra.Command, into *string) { cmd.Flags().StringVar(into, "data", "", dataHelp) }

const dataHelp = "data `folder` of the local Azure (default: " + local.DataVar + ", else aksid in the user's data folder)"

// dataFolder is the folder that --data, the environment or the platform names.
func (a *App) dataFolder(flag string) (string, error) {
	dir, err := local.Dir(flag, a.getenv)
	if err != nil {
		return "", usagef("%w", err)
	}
	return dir, nil
}

// outputFlag adds -o to a command; its value is checked by validOutput.
func outputFlag(cmd *cobra.Command, into *string, formats ...string) {
	cmd.Flags().StringVarP(into, "output", "o", formats[0], "output `format`: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(formats, *into) {
			return usagef("there is no output format %q; choose one of %s", *into, strings.Join(formats, ", "))
		}
		return nil
	}
}
