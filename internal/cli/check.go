package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/local"
	"aksid/internal/report"
)

// fromAzure is --from for the user's own Azure.
const fromAzure = "azure"

type checkOptions struct {
	sourceOptions
	Output string
	Query  string // JMESPath
	Save   string // file for what was read
	Full   bool   // keep what other commands ask for as well
	FailOn string // a severity, or never
	Before string // a change that is about to be made
	Config string // file with a tuning
	IDs    string // file with ids to identify
	Self   bool   // look at the caller's own rights
}

// sourceOptions say which clusters to read, and from where.
type sourceOptions struct {
	From             string // azure, local or a path
	Data             string // folder of the local Azure
	Cloud            string
	Subscription     string
	AllSubscriptions bool
	Group            string
	Name             string
	Clusters         []string
	Registries       []string
	Parameters       string   // file with a template's parameters
	Kube             []string // files of Kubernetes objects
	objects          *estate.Kube
	Keep             bool   // keep what is read, to save it
	Creator          string // object id or client id of who creates and updates the clusters
	creator          azure.GUID
	Also             []azure.ID   // resources to read besides
	Ask              []azure.GUID // objects to look up in the directory besides
	Rights           bool         // ask what the caller may read
	People           bool         // read who is in groups, and who owns them and service principals
	History          estate.History
}

// never is --fail-on for findings that are not to change the exit code.
const never = "never"

func newCheck(a *App) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [CLUSTER...]",
		Short: "Say which identities a cluster uses, where they have roles and what breaks without them",
		Long: `Say which identities AKS clusters use, where these have roles, what breaks for want of one, and how to mend it.

CLUSTER is a name, resourceGroup/name or a resource id; without one, every cluster of the subscription that az is logged in to.
It only reads. What it may not read makes a question unknown, never a role missing.

Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 wrong usage or input, 3 something needed could not be read.`,
		Example: `  aksid check
  aksid check -n aks1 -g rg1 --registry acr1
  aksid check --all-subscriptions --fail-on warning
  aksid check --from local -o json --query "clusters[].findings[].rule"
  aksid check --from exports/ -o html > report.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			if err := jsonQuery(cmd, o.Query, &o.Output); err != nil {
				return err
			}
			return runCheck(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	outputFlag(cmd, &o.Output, report.Formats...)
	queryFlag(cmd, &o.Query)
	cmd.Flags().StringVar(&o.Save, "save", "", "keep what was read in a `file`, for --from FILE by someone without the rights")
	cmd.Flags().BoolVar(&o.Full, "full", false, "with --save: keep also who is in groups and owns them, 90 days of the activity log and which rights you have, so that the file serves who-can, list --changes, least and evidence as well")
	failOnFlag(cmd, &o.FailOn)
	cmd.Flags().StringVar(&o.Before, "before", "", "look only at what a `change` exercises, and say go or no go: upgrade, scale, ingress, storage, rebuild, migrate-to-user-assigned[=ID], registry=ID")
	configFlag(cmd, &o.Config)
	cmd.Flags().StringVar(&o.IDs, "ids", "", "say of each id in a `file` (-: standard input) whose it is, or was, instead of checking")
	cmd.Flags().BoolVar(&o.Self, "self", false, "say whether you may read what check reads, instead of checking")
	return cmd
}

// failOnFlag adds --fail-on to a command; its value is checked by validFailOn.
func failOnFlag(cmd *cobra.Command, into *string) {
	severities := []string{string(finding.Error), string(finding.Warning), string(finding.Note), never}
	cmd.Flags().StringVar(into, "fail-on", severities[0], "least `severity` that makes the exit code 1: "+strings.Join(severities, ", "))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(severities, cobra.ShellCompDirectiveNoFileComp))
}

func validFailOn(s string) error {
	if s != never && !slices.Contains(finding.Severities, finding.Severity(s)) {
		return usagef("there is no severity %q; choose one of error, warning, note or never", s)
	}
	return nil
}

// sourceFlags adds the flags that say what to read.
func sourceFlags(cmd *cobra.Command, o *sourceOptions) {
	dataFlag(cmd, &o.Data)
	f := cmd.Flags()
	f.StringVar(&o.From, "from", "", "what to read: azure, local, or the `path` of what az or Azure PowerShell printed as JSON, or az as YAML, of what --save kept, of a Terraform plan or state (terraform show -json) or of an ARM template (default: "+local.FromVar+", else azure)")
	f.StringVar(&o.Cloud, "cloud", "", "`cloud`: AzureCloud, AzureUSGovernment, AzureChinaCloud or one registered with az (default: az's active one)")
	f.StringVar(&o.Subscription, "subscription", "", "`name or id` of the subscription (default: az's active one)")
	f.BoolVar(&o.AllSubscriptions, "all-subscriptions", false, "look in every subscription that the credential sees")
	f.StringVarP(&o.Group, "resource-group", "g", "", "only clusters of this resource `group`")
	f.StringVarP(&o.Name, "name", "n", "", "`name` of the cluster")
	f.StringArrayVar(&o.Kube, "kube", nil, "`file` of Kubernetes objects of the cluster, from kubectl get svc,pods,sa,pv,sc -A -o json; can be repeated")
	f.StringVar(&o.Parameters, "parameters", "", "`file` with the parameters of an ARM template (default: NAME.parameters.json beside it)")
	f.StringVar(&o.Creator, "creator", "", "look also at what who creates and updates the clusters needs: a person's, group's or pipeline's object `id`, or client id (default: the pipeline that did, if Azure tells; what it lacks is only noted)")
	f.StringArrayVar(&o.Registries, "registry", nil, "`registry` that the clusters pull from: name, login server or id; can be repeated")
}

func runCheck(ctx context.Context, a *App, o checkOptions) error {
	q, err := parseQuery(o.Query)
	if err != nil {
		return err
	}
	if err := validFailOn(o.FailOn); err != nil {
		return err
	}
	switch {
	case o.Self && o.IDs != "", o.Before != "" && (o.Self || o.IDs != ""):
		return usagef("--before, --ids and --self are different questions; ask one at a time")
	case o.Self:
		return runSelf(ctx, a, o)
	case o.IDs != "":
		return runIDs(ctx, a, o)
	}
	options, err := o.options(a)
	if err != nil {
		return err
	}
	start := a.Now()
	if o.Keep = o.Save != ""; o.Full {
		if err := o.everything(ctx, a); err != nil {
			return err
		}
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if err := saveEstate(o.Save, e); err != nil {
		return err
	}
	r := report.New(e, func(yield func(finding.Result) bool) {
		for _, c := range e.Clusters {
			if !yield(options.Check(e, c)) {
				return
			}
		}
	})
	r.At, r.Version, r.Before = start, built().Version, options.Before
	if o.FailOn != never {
		r.FailOn = finding.Severity(o.FailOn)
	}
	var t report.Tally
	if o.Query != "" {
		t, err = printQuery(a, r, q)
	} else {
		t, err = r.Print(a.Out, o.Output, report.Table{Colour: a.colour(), Took: func() time.Duration { return a.Now().Sub(start) }})
	}
	if err != nil {
		return err
	}
	return verdict(t, r.FailOn)
}

// everything has all be read that any command asks for.
func (o *checkOptions) everything(ctx context.Context, a *App) error {
	if o.Save == "" {
		return usagef("--full says what --save keeps; give --save FILE as well")
	}
	now, err := a.clock(ctx, o.sourceOptions)
	o.Rights, o.People, o.History = true, true, estate.History{Since: now.Add(-estate.LogKept), Now: now}
	return err
}

// options are how to check. What a change is about is read as well.
func (o *checkOptions) options(a *App) (finding.Options, error) {
	t, err := readTuning(o.Config)
	options := finding.Options{Tuning: t, Now: a.Now()}
	if err != nil || o.Before == "" {
		return options, err
	}
	if options.Before, err = finding.ParseBefore(o.Before); err != nil {
		return options, usageError{err}
	}
	switch target := options.Before.Target; options.Before.Occasion {
	case catalogue.Pulling:
		o.Registries = append(o.Registries, target.String())
	case catalogue.UserAssigning:
		if !target.IsZero() {
			o.Also = append(o.Also, target)
		}
	}
	return options, nil
}

// saveEstate writes what was read to a file; "" is no file.
func saveEstate(path string, e *estate.Estate) error {
	if path == "" {
		return nil
	}
	return writeWhole(path, e.Save)
}

// writeWhole writes a file that its owner alone can read, wholly or not at all.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".aksid-*") // mode 0600
	if err != nil {
		return usagef("%s cannot be written: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return usagef("%s cannot be written: %w", path, err)
	}
	return nil
}

func printQuery(a *App, r report.Report, q query) (report.Tally, error) {
	whole, t := r.Result()
	v, err := q.apply(whole)
	if err != nil {
		return t, err
	}
	return t, report.JSON(a.Out, v)
}

// verdict is how a result ends the command: findings first, then what could not be told.
func verdict(t report.Tally, failOn finding.Severity) error {
	if t.Fails(failOn) {
		return errFindings
	}
	if t.Undecided {
		return unreadf("not everything could be told; the output says what could not be read, and which right it takes")
	}
	return nil
}

// load reads what the options name. Progress goes to standard error where it takes long.
func (a *App) load(ctx context.Context, o sourceOptions) (*estate.Estate, error) {
	var err error
	if len(o.Kube) > 0 {
		if o.objects, err = readKube(o.Kube); err != nil {
			return nil, err
		}
	}
	if o.Creator != "" {
		if o.creator, err = azure.ParseGUID(o.Creator); err != nil {
			return nil, usagef("--creator %s is no object id; see: az ad signed-in-user show --query id", o.Creator)
		}
	}
	p := a.progress()
	source, err := a.source(ctx, o, p.set)
	if err != nil {
		return nil, err
	}
	defer p.start()()
	e, err := source.Load(ctx)
	if err != nil {
		return nil, loadError(err)
	}
	if !o.creator.IsZero() {
		e.NameCreator(o.creator)
	}
	if len(o.Kube) > 0 {
		if n := len(e.Clusters); n != 1 {
			return nil, usagef("--kube is about one cluster, and there are %d; name it", n)
		}
		e.AddKube(e.Clusters[0], o.objects)
	}
	return e, nil
}

// loadError is why nothing could be read: it may not be, or what the user names is not there.
func loadError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, new(*estate.Refused)):
		return unreadError{err}
	}
	return usageError{err}
}

func readKube(paths []string) (*estate.Kube, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	k, err := estate.ReadKube(paths...)
	if err != nil {
		return nil, usageError{err}
	}
	return k, nil
}

// source is where the options say to read from.
func (a *App) source(ctx context.Context, o sourceOptions, say func(string)) (estate.Source, error) {
	from := o.From
	if from == "" {
		from = a.getenv(local.FromVar)
	}
	if o.Name != "" {
		o.Clusters = append([]string{o.Name}, o.Clusters...)
	}
	if o.Subscription != "" && o.AllSubscriptions {
		return nil, usagef("--subscription and --all-subscriptions contradict each other; leave one of them out")
	}
	if o.Parameters != "" && (from == "" || from == fromAzure || from == local.From) {
		return nil, usagef("--parameters are those of an ARM template; name it with --from FILE")
	}
	switch from {
	case "", fromAzure:
		return a.azure(o, say)
	case local.From:
		return a.localAzure(ctx, o, say)
	}
	return a.files(from, o)
}

// files is a source of files. --subscription and -g say where a plan or a template goes that does not say so itself; a plan's
// providers are configured by ARM_SUBSCRIPTION_ID as well.
func (a *App) files(from string, o sourceOptions) (estate.Source, error) {
	if o.AllSubscriptions || o.Cloud != "" {
		return nil, usagef("--all-subscriptions and --cloud say where in Azure to look; they do not go with --from %s", from)
	}
	f := estate.Files{Path: from, Clusters: o.Clusters, Group: o.Group, Registries: o.Registries, Parameters: o.Parameters, Keep: o.Keep}
	sub := o.Subscription
	if sub == "" {
		sub = a.getenv("ARM_SUBSCRIPTION_ID")
	}
	if sub == "" {
		return f, nil
	}
	var err error
	if f.Subscription, err = azure.ParseGUID(sub); err != nil {
		return nil, usagef("subscription %q is no id; with --from %s it takes the GUID: az account show --query id", sub, from)
	}
	return f, nil
}

func (a *App) azure(o sourceOptions, say func(string)) (estate.Source, error) {
	account, err := estate.ReadAccount(o.Cloud, a.getenv)
	if err != nil {
		return nil, usageError{err}
	}
	l := estate.Live{From: fromAzure, Cloud: account.Cloud, Creator: o.creator, Clusters: o.Clusters, Group: o.Group, Registries: o.Registries, Kube: o.objects, Keep: o.Keep, Also: o.Also, Ask: o.Ask, Rights: o.Rights, People: o.People, History: o.History, Progress: say}
	var tenant string
	if !o.AllSubscriptions {
		s, err := account.Find(o.Subscription)
		if id := a.getenv("AZURE_SUBSCRIPTION_ID"); err != nil && o.Subscription == "" && id != "" { // of SDK users without az
			s, err = account.Find(id)
		}
		switch {
		case err == nil:
			l.Subscriptions, tenant = []estate.Subscription{s}, s.Tenant
		case o.Subscription != "":
			return nil, usageError{err}
		case !allIDs(o.Clusters, o.Registries):
			return nil, unreadError{err}
		}
	}
	l.Credential, err = estate.UserCredential(l.Cloud, tenant)
	return l, err
}

// allIDs reports whether clusters are named, and nothing but by their ids: then there is no subscription to look in.
func allIDs(clusters, registries []string) bool {
	return len(clusters) > 0 && !slices.ContainsFunc(slices.Concat(clusters, registries), func(s string) bool {
		_, err := azure.ParseID(s)
		return err != nil
	})
}

func (a *App) localAzure(ctx context.Context, o sourceOptions, say func(string)) (estate.Source, error) {
	if o.Cloud != "" {
		return nil, usagef("--cloud is for Azure; it does not go with --from %s", local.From)
	}
	az, err := a.findLocal(ctx, o.Data)
	if err != nil {
		return nil, err
	}
	l, err := estate.LocalAzureAs(az, a.getenv)
	if err != nil {
		return nil, err
	}
	l.Clusters, l.Group, l.Registries, l.Kube, l.Keep, l.Progress = o.Clusters, o.Group, o.Registries, o.objects, o.Keep, say
	l.Also, l.Ask, l.Rights, l.People, l.Creator, l.History = o.Also, o.Ask, o.Rights, o.People, o.creator, o.History
	if o.Subscription != "" {
		s, ok := estate.Subscription{}, false
		for _, x := range l.Subscriptions {
			if strings.EqualFold(x.ID, o.Subscription) || strings.EqualFold(x.Name, o.Subscription) {
				s, ok = x, true
			}
		}
		if !ok {
			return nil, usagef("the local Azure has no subscription %q; aksid exec -- az account list -o table shows those it has", o.Subscription)
		}
		l.Subscriptions = []estate.Subscription{s}
	}
	return l, nil
}

// progress says what is being done, from the first pause on and once in each.
type progress struct {
	say   func(format string, args ...any)
	pause time.Duration
	mu    sync.Mutex
	last  string
}

// progress is told every second to who watches; a log has better uses for its lines.
func (a *App) progress() *progress {
	p := &progress{say: a.note, pause: 10 * time.Second}
	if isTerminal(a.Err) {
		p.pause = time.Second
	}
	return p
}

func (p *progress) set(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
}

// start begins to say it and returns what ends that.
func (p *progress) start() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.pause)
		defer tick.Stop()
		for said := ""; ; {
			select {
			case <-done:
				return
			case <-tick.C:
				p.mu.Lock()
				if p.last != said {
					said = p.last
					p.say("%s", said)
				}
				p.mu.Unlock()
			}
		}
	}()
	return func() { close(done); <-ended }
}
