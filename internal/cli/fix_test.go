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
)

// company is the freight company on a local Azure of its own, with a cluster that lacks two roles.
type company struct {
	*freight
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
	f, err := newFreight(t.Context(), az, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := &company{f, t, s}
	for _, build := range []func(context.Context) error{f.buildHub, f.buildPlatform, f.buildPipeline} {
		c.eventually(func() error { return build(t.Context()) }) // also the operator's own roles take a while
	}
	c.must(f.grant(t.Context(), "Network Contributor", f.control, f.routes))
	c.eventually(func() error { return f.createCluster(t.Context()) })
	c.must(f.awaitCluster(t.Context()))
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
			if code, out, _ := c.run(t.Context(), "check", "--registry", registryName); code != exitFindings {
				t.Fatalf("check: %d\n%s", code, out)
			}
			if c.putLoadBalancer(t.Context()) == nil || c.pull(t.Context()) == nil {
				t.Fatal("nothing was refused")
			}
			code, out, says := c.run(t.Context(), "fix", "--registry", registryName, "--apply", "--yes")
			if code != exitOK || strings.Count(out, "✓") != 2 || !strings.Contains(out, "Checked again: 0 errors, 0 warnings") {
				t.Fatalf("fix: %d\n%s%s", code, out, says)
			}
			c.must(c.putLoadBalancer(t.Context()))
			c.must(c.pull(t.Context()))
			if code, out, _ := c.run(t.Context(), "check", "--registry", registryName); code != exitOK {
				t.Errorf("check: %d\n%s", code, out)
			}
			if code, out, _ := c.run(t.Context(), "fix", "--registry", registryName, "--apply", "--yes"); code != exitOK || out != "Nothing is to be mended.\n" {
				t.Errorf("fix again: %d\n%s", code, out)
			}
		})
	}
}

// A wide role is taken away after the narrow ones that replace it count, and the calls go on working.
func TestFixReplaces(t *testing.T) {
	c := newCompany(t, 0)
	c.must(c.grant(t.Context(), "Contributor", c.control, c.hub.Parent()))
	c.must(c.grant(t.Context(), "AcrPull", c.kubelet, c.registry))
	c.must(c.putLoadBalancer(t.Context()))
	code, out, says := c.run(t.Context(), "fix", "--apply", "--yes")
	if code != exitOK {
		t.Fatalf("%d\n%s%s", code, out, says)
	}
	given, taken := strings.Index(out, "✓ give the control plane identity id-freight-aks Network Contributor on snet-aks"), strings.Index(out, "✓ take Contributor on the Hub subscription")
	if given < 0 || taken < given {
		t.Errorf("not in order:\n%s", out)
	}
	c.must(c.putLoadBalancer(t.Context()))
	if code, out, _ := c.run(t.Context(), "check", "--fail-on", "warning"); code != exitOK {
		t.Errorf("check: %d\n%s", code, out)
	}
}

// Nobody is asked where nobody is there.
func TestFixAsks(t *testing.T) {
	c := newCompany(t, 0)
	code, out, says := c.run(t.Context(), "fix", "--registry", registryName, "--apply")
	if code != exitUsage || !strings.Contains(says, "say --yes") || !strings.Contains(out, "undo: az role assignment delete") {
		t.Errorf("%d\n%s%s", code, out, says)
	}
	if c.putLoadBalancer(t.Context()) == nil {
		t.Error("it was carried out all the same")
	}
}
