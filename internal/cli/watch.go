package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
	"aksid/internal/report"
	"aksid/internal/watch"
)

type watchOptions struct {
	sourceOptions
	Output  string
	Config  string
	Every   time.Duration
	Refresh time.Duration
	Since   time.Duration
	Once    bool
	FailOn  string
	State   string
	Append  string
	Webhook string
	Secret  string // file
	Metrics string // address
	Rules   bool   // write what does it inside Azure instead
	Out     string // folder for that
}

// webhookVar and webhookSecretVar are the webhook and its secret where neither should stand on a command line.
const (
	webhookVar       = "AKSID_WEBHOOK"
	webhookSecretVar = "AKSID_WEBHOOK_SECRET"
)

func newWatch(a *App) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch [CLUSTER...]",
		Short: "Tell when something changes around the identities of clusters",
		Long: `Tell when something changes around the identities of clusters: a role given or taken, also through a group or for an
emergency; an identity switched or deleted; a federated credential added; a secret that ends; a request that Azure refused, with its explanation; a finding
of check that begins or ends.

It follows the activity logs of the subscriptions that the clusters depend on, and reads again what a change touches. It only
reads. With --state it goes on where it stopped, however it stopped, and neither misses nor repeats an entry although Azure's log
is minutes late and out of order. It runs until it is interrupted, or with --once reads what there is and ends.

Exit codes: 0; with --once 1 if something at or above --fail-on was told, 3 if not everything could be read or delivered;
2 wrong usage, or a state file that is in use or damaged.`,
		Example: `  aksid watch
  aksid watch --all-subscriptions --state watch.json --append notices.jsonl
  aksid watch --state watch.json --webhook https://hooks.example.com/aks --webhook-secret secret.txt --metrics :9464
  aksid watch --state watch.json --once -o json          # as a cron job
  aksid watch --once --since 24h                         # what happened since yesterday
  aksid watch --export-rules --out alerts                # what does the same inside Azure`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runWatch(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	cmd.Flags().Lookup("from").Usage = "what to watch: azure or local"
	configFlag(cmd, &o.Config)
	outputFlag(cmd, &o.Output, "table", "json")
	f := cmd.Flags()
	f.DurationVar(&o.Every, "every", time.Minute, "how often to read the activity logs")
	f.DurationVar(&o.Refresh, "refresh", 15*time.Minute, "how often to read everything again, if no entry of a log asks for it before")
	f.DurationVar(&o.Since, "since", 0, "tell first what happened in this time, as 24h; what the state knows is not told again")
	f.BoolVar(&o.Once, "once", false, "read what there is, tell of it and end")
	f.StringVar(&o.FailOn, "fail-on", never, "with --once: least `severity` that makes the exit code 1: error, warning, note or never")
	f.StringVar(&o.State, "state", "", "`file` that keeps how far the watcher came; one watcher at a time has it")
	f.StringVar(&o.Append, "append", "", "`file` to append every notice to as a line of JSON: each once, however the watcher ends")
	f.StringVar(&o.Webhook, "webhook", "", "`URL` to call with every notice, again until it answers (default: "+webhookVar+")")
	f.StringVar(&o.Secret, "webhook-secret", "", "`file` with the secret that calls are signed with, by HMAC-SHA256 (default: "+webhookSecretVar+")")
	f.StringVar(&o.Metrics, "metrics", "", "`address` to serve Prometheus metrics on, as :9464; loopback unless it names another")
	f.BoolVar(&o.Rules, "export-rules", false, "write the activity log alerts (ARM, Bicep, az) and Log Analytics queries that do the same inside Azure, instead of watching")
	f.StringVar(&o.Out, "out", "", "`folder` to write them to (default: standard output)")
	return cmd
}

func runWatch(ctx context.Context, a *App, o watchOptions) error {
	if o.Rules {
		return exportRules(ctx, a, o)
	}
	if o.Out != "" {
		return usagef("--out is for --export-rules")
	}
	if err := o.validate(); err != nil {
		return err
	}
	options, err := a.watching(ctx, o)
	if err != nil {
		return err
	}
	if options.Metrics != nil {
		stop, err := a.serveMetrics(o.Metrics, options.Metrics)
		if err != nil {
			return err
		}
		defer stop()
	}
	w, err := watch.Open(options)
	if errors.Is(err, watch.ErrState) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	defer w.Close()
	if o.Once {
		return a.watchOnce(ctx, w, finding.Severity(o.FailOn))
	}
	if err := w.Run(ctx); ctx.Err() == nil {
		return watchError(err)
	}
	return nil // how it is meant to end
}

// exportRules writes what tells of changes without a watcher.
func exportRules(ctx context.Context, a *App, o watchOptions) error {
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if len(e.Clusters) == 0 {
		return usagef("there are no clusters, so there is nothing to watch")
	}
	return a.writeFiles(o.Out, watch.Rules(e))
}

// watchError is what ended a watcher.
func watchError(err error) error {
	var e *estate.Refused
	var n *estate.NotFound
	if errors.As(err, &e) || errors.As(err, &n) {
		return loadError(err)
	}
	return err
}

func (o watchOptions) validate() error {
	switch {
	case o.Once && o.State == "" && o.Since == 0:
		return usagef("--once tells what happened since the last time, which --state FILE keeps; or say --since 24h")
	case o.Once && o.Metrics != "":
		return usagef("--metrics is for a watcher that goes on; leave out --once")
	case !o.Once && o.FailOn != never:
		return usagef("--fail-on says how --once ends; a watcher that goes on has no end")
	case o.FailOn != never && !slices.Contains(finding.Severities, finding.Severity(o.FailOn)):
		return usagef("there is no severity %q; choose one of error, warning, note or never", o.FailOn)
	case o.Every < time.Second, o.Refresh < time.Second:
		return usagef("--every and --refresh take a second or more")
	case o.Since < 0:
		return usagef("--since %s lies in the future; give a time as in 24h", o.Since)
	}
	return nil
}

// watching are the watcher's options.
func (a *App) watching(ctx context.Context, o watchOptions) (watch.Options, error) {
	var out watch.Options
	tuning, err := readTuning(o.Config)
	if err != nil {
		return out, err
	}
	source, err := a.source(ctx, o.sourceOptions, func(string) {})
	if err != nil {
		return out, err
	}
	live, ok := source.(estate.Live)
	if !ok {
		return out, usagef("files do not change; watch reads Azure or the local Azure")
	}
	hook, err := a.webhook(o)
	if err != nil {
		return out, err
	}
	if hook != nil && o.State == "" {
		a.note("without --state, notices that the webhook has not taken are lost when aksid ends")
	}
	out = watch.Options{
		Source: live, Log: live, Of: watched(live), Check: finding.Options{Tuning: tuning}, Every: o.Every, Refresh: o.Refresh,
		State: o.State, Append: o.Append, Webhook: hook, Print: a.printNotices(o.Output), Now: a.Now, Note: a.note,
	}
	if o.Since > 0 {
		out.Since = a.Now().Add(-o.Since)
	}
	if o.Metrics != "" {
		out.Metrics = watch.NewMetrics()
	}
	return out, nil
}

// watched is what a state is of: a cloud, or a local Azure's tenant.
func watched(l estate.Live) string {
	if l.From == fromAzure {
		return l.Cloud.Name
	}
	for _, s := range l.Subscriptions {
		return "the local Azure with tenant " + s.Tenant
	}
	return "a local Azure"
}

// webhook is the one that the options or the environment name; nil if they name none.
func (a *App) webhook(o watchOptions) (*watch.Webhook, error) {
	address, secret := o.Webhook, a.getenv(webhookSecretVar)
	if address == "" {
		address = a.getenv(webhookVar)
	}
	if address == "" {
		if o.Secret != "" {
			return nil, usagef("--webhook-secret signs what --webhook is told; name a webhook")
		}
		return nil, nil
	}
	if o.Secret != "" {
		text, err := plain.ReadFile(o.Secret, 4<<10)
		if err != nil {
			return nil, usagef("%s cannot be read: %w", o.Secret, err)
		}
		secret = string(text)
		if strings.TrimSpace(secret) == "" {
			return nil, usagef("%s is empty; write a secret into it, as with: openssl rand -base64 32", o.Secret)
		}
	}
	hook, err := watch.NewWebhook(address, secret)
	if err != nil {
		return nil, usageError{err}
	}
	return hook, nil
}

func (a *App) printNotices(format string) func([]watch.Notice) error {
	return func(notices []watch.Notice) error {
		if format == "json" {
			return watch.Lines(a.Out, notices)
		}
		return report.Table{Colour: a.colour()}.Notices(a.Out, notices)
	}
}

func (a *App) watchOnce(ctx context.Context, w *watch.Watcher, failOn finding.Severity) error {
	told, incomplete, err := w.Once(ctx)
	if err != nil {
		return watchError(err)
	}
	if failOn != never && slices.ContainsFunc(told, func(n watch.Notice) bool { return n.Severity.AtLeast(failOn) }) {
		return errFindings
	}
	if incomplete {
		return unreadf("not everything could be read and delivered; the next run goes on from there")
	}
	return nil
}

// serveMetrics serves metrics until it is stopped.
func (a *App) serveMetrics(addr string, m *watch.Metrics) (stop func(), err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usagef("--metrics %s is no address; give one as :9464 or 127.0.0.1:9464", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		var sys *os.SyscallError
		if errors.As(err, &sys) {
			err = sys
		}
		return nil, usagef("metrics cannot be served on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	a.note("metrics on http://%s/metrics", l.Addr())
	go func() { _ = server.Serve(l) }() // ends with Close
	return func() { server.Close() }, nil
}
