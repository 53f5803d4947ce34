package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/cloud"
	"aksid/internal/estate"
	"aksid/internal/local"
)

type upOptions struct {
	Data        string
	Addr        string
	Propagation time.Duration
	Membership  time.Duration
	TokenCache  time.Duration
	Latency     string
	Throttle    bool
	Strict      uint64
	Enforce     string
	Record      string
	Seed        string // path of what it is to hold
	Kubernetes  []string
}

func newUp(a *App) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a local Azure in the foreground",
		Long: `Run a local Azure that authenticates and authorizes every call as Azure does, until it is interrupted.

What it holds is kept in the data folder and is there again at the next start. The first start makes a tenant,
two subscriptions and the service principal "operator", which is Owner of both.`,
		Example: `  aksid up
  aksid up --data ./azure --addr 127.0.0.1:0
  aksid up --propagation 30s
  aksid up --seed saved.json               # with what was read elsewhere: aksid check --save, az exports, a plan
  aksid up --strict 1                      # late, busy and slow now and then, the same way each time
  aksid up --kubernetes freight-prod       # with a control plane of Kubernetes for that cluster, once it is there
  aksid up --enforce log --record used.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd.Context(), a, o) },
	}
	dataFlag(cmd, &o.Data)
	cmd.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:8443", "loopback `address` to listen on; port 0 takes a free one")
	cmd.Flags().DurationVar(&o.Propagation, "propagation", 0, "how long until a new or removed role assignment counts, as in 30s")
	cmd.Flags().DurationVar(&o.Membership, "propagation-groups", 0, "how long until a group's new or removed member counts, as in 5m")
	cmd.Flags().DurationVar(&o.TokenCache, "token-cache", 0, "how long until it does if it is a managed identity, as in 24h")
	cmd.Flags().StringVar(&o.Latency, "latency", "none", "how long long operations take: none or realistic")
	cmd.Flags().BoolVar(&o.Throttle, "throttle", false, "refuse more calls than Azure Resource Manager allows")
	cmd.Flags().Uint64Var(&o.Strict, "strict", 0, "misbehave wherever Azure may, at random from this `seed` (0: not)")
	cmd.Flags().StringVar(&o.Enforce, "enforce", "deny", "what a missing right does: deny, or log and let pass")
	cmd.Flags().StringVar(&o.Record, "record", "", "`file` that every decision is appended to, as JSON lines")
	cmd.Flags().StringVar(&o.Seed, "seed", "", "`path` of what it is to hold, as check --from takes it: it is written as it is")
	cmd.Flags().StringArrayVar(&o.Kubernetes, "kubernetes", nil, "`cluster` to run a control plane for, as aksid kubernetes does; can be repeated")
	return cmd
}

func runUp(ctx context.Context, a *App, o upOptions) error {
	for _, f := range []struct {
		flag string
		time time.Duration
	}{{"propagation", o.Propagation}, {"propagation-groups", o.Membership}, {"token-cache", o.TokenCache}} {
		if f.time < 0 {
			return usagef("--%s %s lies in the past; give a time as in 30s", f.flag, f.time)
		}
	}
	dir, err := a.dataFolder(o.Data)
	if err != nil {
		return err
	}
	c := cloud.Config{Dir: dir, Addr: o.Addr, Propagation: o.Propagation, Membership: o.Membership, TokenCache: o.TokenCache, Now: a.Now, Log: a.log()}
	if err := o.behaviour(&c); err != nil {
		return err
	}
	record, err := a.recorder(o)
	if err != nil {
		return err
	}
	defer record.close()
	c.Decided = record.decided()
	if err := a.seed(ctx, c, o.Seed); err != nil {
		return err
	}
	s, err := serve(ctx, a, c)
	if err != nil {
		return err
	}
	a.printReady(s, dir)
	ctx, end := context.WithCancel(ctx)
	defer end()
	wait, err := a.runPlanes(ctx, dir, o.Kubernetes)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	select {
	case <-ctx.Done(): // how it is meant to end
	case err = <-s.failed:
	}
	end()
	wait()
	return errors.Join(err, s.stop())
}

// seed writes what was read elsewhere into a data folder before it is served; "" is nothing.
func (a *App) seed(ctx context.Context, c cloud.Config, path string) error {
	if path == "" {
		return nil
	}
	e, err := estate.Files{Path: path, Keep: true}.Load(ctx)
	if err != nil {
		return usageError{err}
	}
	var text bytes.Buffer
	if err := e.Save(&text); err != nil {
		return err
	}
	if err := a.importInto(ctx, c, &text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// importInto writes a collection into a data folder that is not served yet.
func (a *App) importInto(ctx context.Context, c cloud.Config, collection io.Reader) error {
	cl, err := cloud.Open(ctx, c)
	if err != nil {
		return folderError(c.Dir, err)
	}
	in, err := cl.Import(ctx, collection)
	if err = errors.Join(err, cl.Close()); err != nil {
		return usagef("what was read cannot be written here: %w", err)
	}
	if len(in.Skipped) > 0 {
		a.note("the local Azure does not serve %s; left out", strings.Join(in.Skipped, ", "))
	}
	return nil
}

// behaviour sets how the local Azure misbehaves.
func (o upOptions) behaviour(c *cloud.Config) error {
	switch o.Latency {
	case "none":
	case "realistic":
		c.Behaviour.Slow = true
	default:
		return usagef("--latency is none or realistic, not %q", o.Latency)
	}
	switch o.Enforce {
	case "deny":
	case "log":
		c.LogOnly = true
	default:
		return usagef("--enforce is deny or log, not %q", o.Enforce)
	}
	c.Behaviour.Throttle, c.Behaviour.Strict = o.Throttle, o.Strict
	return nil
}

// printReady says on the first line where the local Azure is, for people and for scripts that wait for it.
func (a *App) printReady(s *server, dir string) {
	names := make([]string, len(s.Subscriptions))
	for i, sub := range s.Subscriptions {
		names[i] = sub.Name + " " + sub.ID
	}
	fmt.Fprintf(a.Out, `local Azure ready on %s
  data folder    %s
  subscriptions  %s
  use it         aksid exec%s -- az group list
`, s.URL, dir, strings.Join(names, "\n                 "), a.dataHint(dir))
}

// dataHint is the flag that makes another command find a data folder, unless it does by itself.
func (a *App) dataHint(dir string) string {
	if found, err := local.Dir("", a.getenv); err == nil && found == dir {
		return ""
	}
	return " --data " + dir
}
