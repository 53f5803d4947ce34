package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/local"
	"aksid/internal/plain"
)

// recordFile is the break-glass record of a working directory.
const recordFile = "breakglass.jsonl"

// breakglassOptions are those of all break-glass commands.
type breakglassOptions struct {
	sourceOptions
	Record string
	Apply  bool
	Yes    bool
	Why    string
	How    string
	For    time.Duration
	Output string
	All    bool
	Azure  bool // list: compare with Azure
	Rule   string
	Need   string
	Scope  string
	To     string
	Config string
}

func newBreakglass(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "breakglass",
		Short: "Grant a role in an emergency, after somebody else has approved it, and take it back",
		Long: `Grant a role in an emergency and take it back.

A request is for a finding or a need of a cluster, and is for the least role at the least scope that mends it: never for a
subscription. Another principal approves it: who that is, the token says that Azure takes. What was given ends by itself
through Privileged Identity Management (PIM) where the tenant has it; otherwise it is a role assignment that carries a mark
with its end, and "aksid breakglass expire", which a job runs, takes it away.

Every step is a line of a record that all share who take part: on a share or in a repository. Each line holds the digest of
the one before it, so that what was changed, taken out or put in is found. Azure is changed only with --apply.`,
		Example: `  aksid breakglass request freight-prod --finding control-plane-missing-subnet-join --for 4h --why "INC-4711: ingress is down"
  aksid breakglass approve bg-20261124-k3f9 --apply
  aksid breakglass list
  aksid breakglass revoke bg-20261124-k3f9 --why "mended" --apply
  aksid breakglass expire --apply --yes`,
	}
	return group(cmd, newRequest(a), newApprove(a), newActivate(a), newBreakglassList(a), newRevoke(a), newExpire(a))
}

// placeFlags adds the flags that say in which Azure, and where the record is.
func (o *breakglassOptions) placeFlags(cmd *cobra.Command) {
	dataFlag(cmd, &o.Data)
	f := cmd.Flags()
	f.StringVar(&o.From, "from", "", "azure or local (default: AKSID_FROM, else azure)")
	f.StringVar(&o.Cloud, "cloud", "", "`cloud` (default: az's active one)")
	f.StringVar(&o.Subscription, "subscription", "", "`name or id` of the subscription (default: az's active one)")
	f.BoolVar(&o.AllSubscriptions, "all-subscriptions", false, "look in every subscription that the credential sees")
	o.recordFlag(cmd)
}

func (o *breakglassOptions) recordFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Record, "record", recordFile, "`file` that holds the record, shared by all who take part")
}

func (o *breakglassOptions) applyFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.Apply, "apply", false, "change Azure, after asking")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "do not ask")
}

// showAndAgree shows what is about to be done and asks; false means that it is not to be done.
func (a *App) showAndAgree(o breakglassOptions, question string, show func() error) (bool, error) {
	if err := show(); err != nil {
		return false, err
	}
	if !o.Apply {
		a.note("nothing was changed; --apply does it")
		return false, nil
	}
	if o.Yes {
		return true, nil
	}
	return a.agreed(question)
}

// clock is the time: the local Azure's where that is asked, which may be ahead.
func (a *App) clock(ctx context.Context, o sourceOptions) (time.Time, error) {
	if o.From != local.From && (o.From != "" || a.getenv(local.FromVar) != local.From) {
		return a.Now(), nil
	}
	az, err := a.findLocal(ctx, o.Data)
	if err != nil {
		return a.Now(), err
	}
	c, err := az.Clock(ctx)
	return c.Now, err
}

// liveSource is Azure or the local Azure; files cannot be changed.
func (a *App) liveSource(ctx context.Context, o sourceOptions) (estate.Live, error) {
	source, err := a.source(ctx, o, func(string) {})
	if err != nil {
		return estate.Live{}, err
	}
	live, ok := source.(estate.Live)
	if !ok {
		return live, usagef("this takes Azure or the local Azure; files cannot be changed")
	}
	return live, nil
}

// desk is where requests are handled, by who the credential is and at the time that Azure says.
func (a *App) desk(ctx context.Context, live estate.Live, o breakglassOptions, writes bool) (breakglass.Desk, error) {
	who, err := live.Caller(ctx)
	if err != nil {
		return breakglass.Desk{}, unreadError{err}
	}
	if skew := a.Now().Sub(who.Now).Abs(); live.From == fromAzure && skew > 5*time.Minute {
		a.note("warning: the clock of this machine is %s off Azure's, whose time counts", skew.Round(time.Second))
	}
	d := breakglass.Desk{
		Record: breakglass.File{Path: o.Record}, Now: who.Now,
		Who:  breakglass.Person{Object: who.Object, Tenant: who.Tenant, Name: who.Name},
		Tell: func(s string) { fmt.Fprint(a.Out, wrap("  ✓ ", plain.Text(s))) },
	}
	if !writes {
		return d, nil
	}
	w, err := live.Writer()
	if err != nil {
		return d, err
	}
	d.On = w
	return d, nil
}

// caseOf finds a request, and makes the desk at which it is handled.
func (a *App) caseOf(ctx context.Context, o breakglassOptions, id string) (breakglass.Desk, *breakglass.Case, error) {
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return breakglass.Desk{}, nil, err
	}
	desk, err := a.desk(ctx, live, o, true)
	if err != nil {
		return desk, nil, err
	}
	rec, err := desk.Record.Read()
	if err != nil {
		return desk, nil, breakglassError(a, err)
	}
	c, err := rec.Case(id)
	if err != nil {
		return desk, nil, usageError{err}
	}
	return desk, c, nil
}

// breakglassError says all that a refusal has to say, and how it ends the command.
func breakglassError(a *App, err error) error {
	var refusal *breakglass.Refusal
	var damaged *breakglass.Damaged
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damaged):
		for _, p := range damaged.Problems {
			a.note("%s, %s", damaged.Path, p)
		}
		return usageError{err}
	case errors.As(err, &refusal):
		for _, l := range refusal.Limits {
			a.note("its settings there: %s", plain.Text(l))
		}
		for _, l := range refusal.Instead {
			a.note("instead: %s", plain.Text(l))
		}
		return usagef("%s", plain.Text(refusal.Message))
	case errors.As(err, new(*estate.Refused)):
		if said := estate.Words(err); said != "" {
			err = fmt.Errorf("%w: %s", err, plain.Text(said))
		}
		return unreadError{err}
	}
	return usageError{err}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// printCases prints requests.
func (a *App) printCases(output string, now time.Time, cases ...*breakglass.Case) error {
	switch output {
	case "json":
		return breakglass.JSON(a.Out, cases, now)
	case "markdown":
		return breakglass.Markdown(a.Out, cases, now)
	}
	if len(cases) == 0 {
		fmt.Fprintln(a.Out, "No request waits or is in force.")
	}
	for _, c := range cases {
		fmt.Fprint(a.Out, plainLines(c.Text(now)))
	}
	return nil
}

// plainLines is plain for a text of several lines.
func plainLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		body, end := strings.TrimSuffix(l, "\n"), ""
		if body != l {
			end = "\n"
		}
		lines[i] = plain.Text(body) + end
	}
	return strings.Join(lines, "")
}
