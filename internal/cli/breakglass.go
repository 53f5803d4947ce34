package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/local"
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no aksid breakglass %s; see: aksid breakglass --help", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newRequest(a), newApprove(a), newActivate(a), newBreakglassList(a), newRevoke(a), newExpire(a))
	return cmd
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

func newRequest(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "request CLUSTER",
		Short: "Ask for the least role that mends a finding",
		Long: `Ask for the least role at the least scope that mends a finding of a cluster, or meets a need of it, for a time. It reads
the cluster as check does, writes a line into the record and changes nothing else. A request that nobody approves lapses
after a day.

The role is for the cluster's own identity; with --to, for a person who is to do by hand what the cluster cannot.`,
		Example: `  aksid breakglass request freight-prod --finding control-plane-missing-subnet-join --for 4h --why "INC-4711"
  aksid breakglass request freight-prod --need subnet-join --scope /subscriptions/…/subnets/snet-aks --for 1h --why "INC-4711"
  aksid breakglass request freight-prod --need load-balancer-ip --to $(az ad signed-in-user show --query id -o tsv) --for 2h --why "INC-4712"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runRequest(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	configFlag(cmd, &o.Config)
	o.recordFlag(cmd)
	outputFlag(cmd, &o.Output, "table", "json")
	f := cmd.Flags()
	f.StringVar(&o.Rule, "finding", "", "the `rule` of the finding that it is for")
	f.StringVar(&o.Need, "need", "", "or the `need`, as check -o json names requirements")
	f.StringVar(&o.Scope, "scope", "", "only at this resource `id`")
	f.StringVar(&o.To, "to", "", "object `id` of a person who is to have the role instead of the cluster's identity")
	f.StringVar(&o.Why, "why", "", "why, for the approver and the auditor")
	f.DurationVar(&o.For, "for", 4*time.Hour, "for how `long` from the approval on; at most 168h")
	return cmd
}

func runRequest(ctx context.Context, a *App, o breakglassOptions) error {
	wish, err := o.wish()
	if err != nil {
		return err
	}
	if !wish.To.IsZero() {
		o.Ask = append(o.Ask, wish.To)
	}
	tuning, err := readTuning(o.Config)
	if err != nil {
		return err
	}
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if n := len(e.Clusters); n != 1 {
		return usagef("a request is about one cluster, and there are %d; name it", n)
	}
	roles, err := wish.Roles(e, e.Clusters[0], finding.Options{Tuning: tuning, Now: a.Now()})
	if err != nil {
		return usageError{err}
	}
	desk, err := a.desk(ctx, live, o, false)
	if err != nil {
		return err
	}
	c, err := desk.Request(ctx, breakglass.Asked{Cluster: e.Clusters[0].ID, Rule: wish.Rule, Need: wish.Need, For: breakglass.Span(o.For), Grants: roles}, o.Why)
	if err != nil {
		return breakglassError(a, err)
	}
	if err := a.printCases(o.Output, desk.Now, c); err != nil {
		return err
	}
	a.note("asked for; somebody else approves it with: aksid breakglass approve %s --record %s --apply", c.ID, o.Record)
	return nil
}

// wish is what is asked for.
func (o breakglassOptions) wish() (w breakglass.Wish, err error) {
	w.Rule, w.Need = o.Rule, o.Need
	if (w.Rule == "") == (w.Need == "") {
		return w, usagef("say what it is for: --finding RULE as check names it, or --need ID")
	}
	if o.Scope != "" {
		if w.Scope, err = azure.ParseID(o.Scope); err != nil {
			return w, usagef("--scope %s is no resource id", o.Scope)
		}
	}
	if o.To != "" {
		if w.To, err = azure.ParseGUID(o.To); err != nil {
			return w, usagef("--to %s is no object id; see: az ad user show --id NAME --query id", o.To)
		}
	}
	return w, nil
}

func newApprove(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "approve REQUEST",
		Short: "Approve a request of somebody else, and give its roles",
		Long: `Approve a request, and give its roles until its time is over. Who asked, and who is to have the roles, cannot approve.
Without --apply it shows what would be given and changes nothing.

A cluster's identity gets its role active and with an end through Privileged Identity Management; a person is made eligible,
and takes it up with "aksid breakglass activate". Where the tenant has no PIM, or with --how assignment, the role is assigned
with a mark, and "aksid breakglass expire" takes it away.

A run that was interrupted is completed by running it again.`,
		Example: `  aksid breakglass approve bg-20261124-k3f9
  aksid breakglass approve bg-20261124-k3f9 --apply`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runApprove(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().StringVar(&o.How, "how", "", "`way` to give roles: pim or assignment (default: PIM where the tenant has it)")
	return cmd
}

func runApprove(ctx context.Context, a *App, o breakglassOptions, id string) error {
	how := breakglass.How(o.How)
	if how != "" && how != breakglass.Active && how != breakglass.Assignment {
		return usagef("--how is pim or assignment, not %q", o.How)
	}
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if err := desk.MayApprove(c); err != nil {
		return breakglassError(a, err)
	}
	if ok, err := a.showAndAgree(o, "approve it?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	c, err = desk.Approve(ctx, id, how)
	if err != nil {
		return breakglassError(a, err)
	}
	fmt.Fprintf(a.Out, "%s is in force until %s.\n", c.ID, stamp(c.Until))
	for _, g := range c.Given {
		if g.How == breakglass.Eligible {
			a.note("a person takes up what it is eligible for with: aksid breakglass activate %s --apply", c.ID)
			break
		}
		if g.How == breakglass.Assignment {
			a.note("Azure does not end it: have a job run aksid breakglass expire --apply --yes")
			break
		}
	}
	return nil
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

func newActivate(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "activate REQUEST",
		Short: "Take up the roles that a request makes you eligible for",
		Long: `Take up, through Privileged Identity Management, the roles that an approved request makes you eligible for: until the end
of the request, or for as long as --for says and PIM allows.`,
		Example: `  aksid breakglass activate bg-20261124-k3f9 --apply
  aksid breakglass activate bg-20261124-k3f9 --for 1h --apply`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runActivate(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().DurationVar(&o.For, "for", 0, "for how `long` (default: until the end of the request)")
	return cmd
}

func runActivate(ctx context.Context, a *App, o breakglassOptions, id string) error {
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if ok, err := a.showAndAgree(o, "take it up?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	_, err = desk.Activate(ctx, id, o.For)
	return breakglassError(a, err)
}

func newRevoke(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:     "revoke REQUEST",
		Short:   "Take away what a request gave, or withdraw it",
		Long:    "Take away what a request gave before its time is over; a request that nobody approved yet is withdrawn.",
		Example: `  aksid breakglass revoke bg-20261124-k3f9 --why "ingress works again" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRevoke(cmd.Context(), a, o, args[0]) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	cmd.Flags().StringVar(&o.Why, "why", "", "why")
	return cmd
}

func runRevoke(ctx context.Context, a *App, o breakglassOptions, id string) error {
	desk, c, err := a.caseOf(ctx, o, id)
	if err != nil {
		return err
	}
	if ok, err := a.showAndAgree(o, "take it back?", func() error { return a.printCases("table", desk.Now, c) }); err != nil || !ok {
		return err
	}
	c, err = desk.Revoke(ctx, id, o.Why)
	if err != nil {
		return breakglassError(a, err)
	}
	fmt.Fprintf(a.Out, "%s is %s.\n", c.ID, c.State(desk.Now))
	return nil
}

func newExpire(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "expire",
		Short: "Take away what is past its end; for a job to run",
		Long: `Take away every role whose time is over: by the record, and by the marks that role assignments carry, so that nothing is
forgotten that the record lost. It can be run twice, at once, and after a run that crashed. It goes on after an error, and
with a record that is damaged it takes away what it can and says so.

Without --apply it says what it would take away; then the exit code is 1 if there is something.

Exit codes: 0 nothing is past its end any more, 1 something is wrong that a person has to look at, 2 wrong usage, 3 something
could not be read or taken away.`,
		Example: `  aksid breakglass expire
  aksid breakglass expire --apply --yes --all-subscriptions --record /mnt/ops/breakglass.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExpire(cmd.Context(), a, o) },
	}
	o.placeFlags(cmd)
	o.applyFlags(cmd)
	return cmd
}

func runExpire(ctx context.Context, a *App, o breakglassOptions) error {
	live, err := a.liveSource(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	desk, err := a.desk(ctx, live, o, true)
	if err != nil {
		return err
	}
	sweep, unread := desk.Look(ctx, scopesOf(live))
	over, odd := a.printSweep(sweep, desk.Now)
	switch {
	case over > 0 && !o.Apply:
		a.note("nothing was changed; --apply takes it away")
		odd++
	case over > 0 && !o.Yes:
		if ok, err := a.agreed("take it away?"); err != nil || !ok {
			return err
		}
	}
	if o.Apply {
		unread = errors.Join(unread, desk.Expire(ctx, sweep))
	}
	if unread != nil {
		return breakglassError(a, unread)
	}
	if odd > 0 {
		return errFindings
	}
	return nil
}

// printSweep says what is over, and what is odd besides.
func (a *App) printSweep(s breakglass.Sweep, now time.Time) (over, odd int) {
	for _, c := range s.Overdue {
		if c.State(now) != breakglass.Over {
			over++
		}
		for _, g := range c.Asked.Grants {
			fmt.Fprint(a.Out, wrap("  ", plain(fmt.Sprintf("%s: %s on %s for %s, over since %s", c.ID, g.RoleName, g.Scope, g.PrincipalName, stamp(c.Until)))))
		}
	}
	for _, stray := range s.Strays {
		if stray.Over {
			over++
		} else {
			odd++
		}
		fmt.Fprint(a.Out, wrap("  ", plain(fmt.Sprintf("%s: %s (%s)", stray.ID, stray.What, stray.Text))))
	}
	if over+odd+len(s.Overdue) == 0 {
		fmt.Fprintln(a.Out, "Nothing is past its end.")
	}
	return over, odd
}

func newBreakglassList(a *App) *cobra.Command {
	var o breakglassOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the requests of a record, and whether it is as it was written",
		Long: `Show the requests that wait, that are in force or past their end; with --all, those that are over as well. It reads the
record alone, and compares every line with the one before it; with --compare it also looks for role assignments in Azure that
carry a mark and that the record does not account for.

Exit codes: 0, 1 something is past its end or not accounted for, 2 the record is not as it was written.`,
		Example: `  aksid breakglass list
  aksid breakglass list --all -o json
  aksid breakglass list --compare --all-subscriptions`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBreakglassList(cmd.Context(), a, o) },
	}
	o.placeFlags(cmd)
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	cmd.Flags().BoolVar(&o.All, "all", false, "also those that are over")
	cmd.Flags().BoolVar(&o.Azure, "compare", false, "compare with the marks in Azure")
	return cmd
}

func runBreakglassList(ctx context.Context, a *App, o breakglassOptions) error {
	file := breakglass.File{Path: o.Record}
	rec, damaged := file.Read()
	if damaged != nil && !errors.As(damaged, new(*breakglass.Damaged)) {
		return breakglassError(a, damaged)
	}
	now, err := a.clock(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	odd := 0
	if o.Azure {
		live, err := a.liveSource(ctx, o.sourceOptions)
		if err != nil {
			return err
		}
		desk, err := a.desk(ctx, live, o, true)
		if err != nil {
			return err
		}
		now = desk.Now
		sweep, err := desk.Look(ctx, scopesOf(live))
		if err != nil && !errors.As(err, new(*breakglass.Damaged)) {
			return breakglassError(a, err)
		}
		for _, s := range sweep.Strays {
			odd++
			a.note("%s: %s (%s)", s.ID, plain(s.What), plain(s.Text))
		}
	}
	var shown []*breakglass.Case
	for _, c := range rec.Cases() {
		switch c.State(now) {
		case breakglass.Overdue:
			odd++
		case breakglass.Ended, breakglass.Withdrawn, breakglass.Lapsed:
			if !o.All {
				continue
			}
		}
		shown = append(shown, c)
	}
	if err := a.printCases(o.Output, now, shown...); err != nil {
		return err
	}
	if damaged != nil {
		return breakglassError(a, damaged)
	}
	if odd > 0 {
		return errFindings
	}
	return nil
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
		Tell: func(s string) { fmt.Fprint(a.Out, wrap("  ✓ ", plain(s))) },
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

func scopesOf(l estate.Live) (out []azure.ID) {
	for _, s := range l.Subscriptions {
		out = append(out, azure.SubscriptionID(s.ID))
	}
	return out
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
			a.note("its settings there: %s", plain(l))
		}
		for _, l := range refusal.Instead {
			a.note("instead: %s", plain(l))
		}
		return usagef("%s", plain(refusal.Message))
	case errors.As(err, new(*estate.Refused)):
		if said := estate.Words(err); said != "" {
			err = fmt.Errorf("%w: %s", err, plain(said))
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
		lines[i] = plain(body) + end
	}
	return strings.Join(lines, "")
}
