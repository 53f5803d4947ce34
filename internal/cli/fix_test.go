package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
	"aksid/internal/local"
	"aksid/internal/scenario"
)

// company is the freight company on a local Azure of its own, with a cluster that lacks two roles.
type company struct {
	*scenario.Freight
	t      *testing.T
	server *server
}

func newCompany(t *testing.T, propagation time.Duration) *company {
	t.Helper()
	a := &App{Out: io.Discard, Err: io.Discard, Now: time.Now}
	s, err := serve(t.Context(), a, cloud.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", Now: time.Now, Propagation: propagation, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() })
	az, err := local.Find(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := scenario.NewFreight(az, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := &company{f, t, s}
	c.eventually(func() error { return f.Build(t.Context()) }) // also the operator's own roles take a while
	c.must(f.Grant(t.Context(), "Network Contributor", f.Control, f.Routes))
	c.eventually(func() error { return f.Deploy(t.Context()) })
	return c
}

func (c *company) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// eventually tries until a role counts.
func (c *company) eventually(try func() error) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); ; { // far more than it takes
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			c.t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run runs a command line on the company's local Azure.
func (c *company) run(ctx context.Context, args ...string) (code int, out, says string) {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Now: time.Now, Env: []string{local.DataVar + "=" + c.server.dir, local.FromVar + "=" + local.From}}
	code = a.Run(ctx, args)
	return code, stdout.String(), stderr.String()
}

// What check finds fix mends: the calls that were refused succeed, also where roles take a while to count.
func TestFixMends(t *testing.T) {
	for name, propagation := range map[string]time.Duration{"at once": 0, "after a while": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, propagation)
			if code, out, _ := c.run(t.Context(), "check", "--registry", "freightacr"); code != exitFindings {
				t.Fatalf("check: %d\n%s", code, out)
			}
			if c.Expose(t.Context()) == nil || c.Pull(t.Context()) == nil {
				t.Fatal("nothing was refused")
			}
			code, out, says := c.run(t.Context(), "fix", "--registry", "freightacr", "--apply", "--yes")
			if code != exitOK || strings.Count(out, "✓") != 2 || !strings.Contains(out, "Checked again: 0 errors, 0 warnings") {
				t.Fatalf("fix: %d\n%s%s", code, out, says)
			}
			c.must(c.Expose(t.Context()))
			c.must(c.Pull(t.Context()))
			if code, out, _ := c.run(t.Context(), "check", "--registry", "freightacr"); code != exitOK {
				t.Errorf("check: %d\n%s", code, out)
			}
			if code, out, _ := c.run(t.Context(), "fix", "--registry", "freightacr", "--apply", "--yes"); code != exitOK || out != "Nothing is to be mended.\n" {
				t.Errorf("fix again: %d\n%s", code, out)
			}
		})
	}
}

// A wide role is taken away after the narrow ones that replace it count, and the calls go on working.
func TestFixReplaces(t *testing.T) {
	c := newCompany(t, 0)
	c.must(c.Grant(t.Context(), "Contributor", c.Control, c.Hub.Parent()))
	c.must(c.Grant(t.Context(), "AcrPull", c.Kubelet(), c.Registry))
	c.must(c.Expose(t.Context()))
	code, out, says := c.run(t.Context(), "fix", "--apply", "--yes")
	if code != exitOK {
		t.Fatalf("%d\n%s%s", code, out, says)
	}
	given, taken := strings.Index(out, "✓ give the control plane identity id-freight-aks Network Contributor on snet-aks"), strings.Index(out, "✓ take Contributor on the Hub subscription")
	if given < 0 || taken < given {
		t.Errorf("not in order:\n%s", out)
	}
	c.must(c.Expose(t.Context()))
	if code, out, _ := c.run(t.Context(), "check", "--fail-on", "warning"); code != exitOK {
		t.Errorf("check: %d\n%s", code, out)
	}
}

// Nobody is asked where nobody is there.
func TestFixAsks(t *testing.T) {
	c := newCompany(t, 0)
	code, out, says := c.run(t.Context(), "fix", "--registry", "freightacr", "--apply")
	if code != exitUsage || !strings.Contains(says, "say --yes") || !strings.Contains(out, "undo: az role assignment delete") {
		t.Errorf("%d\n%s%s", code, out, says)
	}
	if c.Expose(t.Context()) == nil {
		t.Error("it was carried out all the same")
	}
}

// stopper interrupts at the first tick mark that is written.
type stopper struct {
	bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("✓")) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// An interrupt between two steps leaves one done and says how to undo it; another run does the rest.
func TestFixInterrupted(t *testing.T) {
	c := newCompany(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{stop: cancel}
	a := &App{In: strings.NewReader(""), Out: out, Err: io.Discard, Now: time.Now, Env: []string{local.DataVar + "=" + c.server.dir, local.FromVar + "=" + local.From}}
	if code := a.Run(ctx, []string{"fix", "--registry", "freightacr", "--apply", "--yes"}); code != exitStopped {
		t.Errorf("exit code %d", code)
	}
	if s := out.String(); !strings.Contains(s, "Done: 1 of 2 steps") || strings.Count(s, "    undo: az role assignment delete") < 1 {
		t.Errorf("it says\n%s", s)
	}
	if c.Expose(t.Context()) != nil || c.Pull(t.Context()) == nil {
		t.Error("not just the first step is done")
	}
	if code, out, says := c.run(t.Context(), "fix", "--registry", "freightacr", "--apply", "--yes"); code != exitOK || strings.Count(out, "✓") != 1 {
		t.Errorf("the rest: %d\n%s%s", code, out, says)
	}
	c.must(c.Pull(t.Context()))
}

// A right is not taken away while what replaces it is gone again.
func TestFixVerifiesBeforeItTakes(t *testing.T) {
	c := newCompany(t, 0)
	c.must(c.Grant(t.Context(), "Contributor", c.Control, c.Hub.Parent()))
	c.must(c.Grant(t.Context(), "AcrPull", c.Kubelet(), c.Registry))
	ctx := t.Context()
	out := &stopper{stop: func() { c.must(c.Revoke(ctx, "Network Contributor", c.Control, c.Subnet)) }} // somebody else, just after it was given
	a := &App{In: strings.NewReader(""), Out: out, Err: out, Now: time.Now, Env: []string{local.DataVar + "=" + c.server.dir, local.FromVar + "=" + local.From}}
	if code := a.Run(ctx, []string{"fix", "--apply", "--yes"}); code != exitFindings || !strings.Contains(out.String(), "brought subnet would be lost with it") {
		t.Errorf("%d\n%s", code, out.String())
	}
	c.must(c.Expose(t.Context()))
}

// wait ends when the calls that need the roles are no longer refused, and gives up on what is not given.
func TestWait(t *testing.T) {
	c := newCompany(t, 300*time.Millisecond)
	code, _, says := c.run(t.Context(), "wait", "--registry", "freightacr", "--timeout", "50ms")
	if code != exitFindings && code != exitUnread {
		t.Errorf("%d %s", code, says)
	}
	c.must(c.Grant(t.Context(), "Network Contributor", c.Control, c.Subnet))
	c.must(c.Grant(t.Context(), "AcrPull", c.Kubelet(), c.Registry))
	if code, out, says := c.run(t.Context(), "wait", "--registry", "freightacr", "--timeout", "1m"); code != exitOK || !strings.HasPrefix(out, "counts: ") {
		t.Fatalf("%d %s%s", code, out, says)
	}
	c.must(c.Expose(t.Context()))
	c.must(c.Pull(t.Context()))
}
