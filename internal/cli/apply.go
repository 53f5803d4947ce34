package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/local"
	"aksid/internal/plain"
	"aksid/internal/remedy"
)

// application is a plan that is being carried out.
type application struct {
	*App
	options finding.Options
	source  estate.Live
	writer  *estate.Writer
	local   *local.Azure // nil: it is Azure
	before  *estate.Estate
	plan    remedy.Plan
	done    []remedy.Done
}

func runApply(ctx context.Context, a *App, o fixOptions, options finding.Options) error {
	x, err := newApplication(ctx, a, o, options)
	if err != nil {
		return err
	}
	x.plan = remedy.New(x.before, o.wishes(x.before, options))
	if len(x.plan.Steps) == 0 {
		fmt.Fprintln(a.Out, "Nothing is to be mended.")
		return nil
	}
	x.show()
	if !o.Yes {
		if ok, err := a.agreed("carry this out?"); err != nil || !ok {
			return err
		}
	}
	x.done, err = x.plan.Apply(ctx, x.writer, x, x.tell)
	if err != nil {
		return x.stopped(err)
	}
	return x.checkAgain(ctx)
}

func newApplication(ctx context.Context, a *App, o fixOptions, options finding.Options) (*application, error) {
	objects, err := readKube(o.Kube)
	if err != nil {
		return nil, err
	}
	o.objects = objects
	source, err := a.source(ctx, o.sourceOptions, func(string) {})
	if err != nil {
		return nil, err
	}
	live, ok := source.(estate.Live)
	if !ok {
		return nil, usagef("--apply changes Azure or the local Azure; files can only be planned from: leave it out")
	}
	x := &application{App: a, options: options, source: live}
	if live.From == local.From {
		if x.local, err = a.findLocal(ctx, o.Data); err != nil {
			return nil, err
		}
	}
	if x.writer, err = live.Writer(); err != nil {
		return nil, err
	}
	x.before, err = a.load(ctx, o.sourceOptions)
	return x, err
}

// show prints the plan as a person reads it before they agree.
func (x *application) show() {
	for i, s := range x.plan.Steps {
		fmt.Fprint(x.Out, wrap(fmt.Sprintf("%3d. ", i+1), plain.Text(s.What)))
		for _, why := range s.Why {
			fmt.Fprint(x.Out, wrap("     why:  ", plain.Text(why)))
		}
		for _, r := range s.Refused {
			fmt.Fprint(x.Out, wrap("     refused by ", plain.Text(r.Why)))
			fmt.Fprint(x.Out, wrap("     instead: ", plain.Text(r.Instead)))
		}
		if s.ByHand != "" {
			fmt.Fprint(x.Out, wrap("     left to you: ", s.ByHand))
			for _, line := range s.Az {
				fmt.Fprintf(x.Out, "           %s\n", plain.Text(line))
			}
			continue
		}
		for _, line := range s.Undo {
			fmt.Fprintf(x.Out, "     undo: %s\n", plain.Text(line))
		}
	}
}

func (x *application) tell(d remedy.Done) {
	fmt.Fprint(x.Out, wrap("  ✓ ", plain.Text(d.What)+" ("+d.Seen+")"))
}

// Before implements remedy.Guard: by a fresh look nothing that a cluster has may be lost with the right.
func (x *application) Before(ctx context.Context, s remedy.Step) error {
	c, ok := s.Change.(estate.Unassign)
	if !ok {
		return nil
	}
	now, err := x.source.Load(ctx)
	if err != nil {
		return err
	}
	x.keepObjects(now)
	for _, cluster := range now.Clusters {
		if lost := finding.LostWithout(now, cluster, c.ID); len(lost) > 0 {
			return surprisef("%s would be lost with it: what replaces it does not count yet, or is gone; see: aksid check %s", strings.Join(lost, ", "), cluster.ID)
		}
	}
	return nil
}

// keepObjects gives a fresh estate the Kubernetes objects that the user named.
func (x *application) keepObjects(now *estate.Estate) {
	for _, c := range now.Clusters {
		for _, old := range x.before.Clusters {
			if k := x.before.Kube(old); k != nil && old.ID.Equal(c.ID) {
				now.AddKube(c, k)
			}
		}
	}
}

// After implements remedy.Guard.
func (x *application) After(ctx context.Context, s remedy.Step) (string, error) {
	switch c := s.Change.(type) {
	case estate.Assign:
		return x.awaitAssign(ctx, c)
	case estate.Unassign:
		return "taken away", nil
	}
	return "done", nil
}

func (x *application) awaitAssign(ctx context.Context, c estate.Assign) (string, error) {
	tries := attemptsFor(x.before, c)
	if x.local != nil && len(tries) > 0 {
		return awaitLocal(ctx, x.local, tries, applyWithin)
	}
	return x.awaitVisible(ctx, c)
}

// applyWithin is how long a grant may take to count, on a local Azure or until Azure shows it, before that is a surprise.
const applyWithin = 10 * time.Minute

// awaitVisible reads an assignment back until it is there.
func (x *application) awaitVisible(ctx context.Context, c estate.Assign) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, applyWithin, errTooLong)
	defer cancel()
	role, _ := x.plan.Role(c.Role)
	for {
		visible, err := x.writer.Assigned(ctx, role, c.Principal, c.Scope)
		if err != nil {
			return "", err
		}
		if visible {
			return "visible; it counts within 10 minutes, as AKS sees it within 60", nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return "", err
		}
	}
}

// stopped says what was done and what was not, after a surprise or an interrupt.
func (x *application) stopped(err error) error {
	fmt.Fprintf(x.Out, "\nDone: %d of %d steps that could be carried out. Nothing is half done.\n", len(x.done), len(slices.DeleteFunc(slices.Clone(x.plan.Steps), func(s remedy.Step) bool { return s.ByHand != "" })))
	for _, d := range x.done {
		fmt.Fprint(x.Out, wrap("  ✓ ", plain.Text(d.What)))
		for _, line := range d.Undo {
			fmt.Fprintf(x.Out, "    undo: %s\n", plain.Text(line))
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, new(*estate.Refused)), errors.Is(err, errTooLong):
		return unreadError{err}
	}
	return err
}

// checkAgain tells what is left.
func (x *application) checkAgain(ctx context.Context) error {
	now, err := x.source.Load(ctx)
	if err != nil {
		return err
	}
	x.keepObjects(now)
	count := map[finding.Severity]int{}
	for _, c := range now.Clusters {
		for _, f := range x.options.Check(now, c).Findings {
			count[f.Severity]++
			if f.Severity == finding.Error {
				fmt.Fprint(x.Out, wrap("  ✗ ", plain.Text(f.Title)+" ("+f.Rule.ID+")"))
			}
		}
	}
	fmt.Fprintf(x.Out, "Checked again: %s, %s, %s.\n", several(count[finding.Error], "error"), several(count[finding.Warning], "warning"), several(count[finding.Note], "note"))
	if count[finding.Error] > 0 {
		return errFindings
	}
	return nil
}

// attemptsFor are the rights that an assignment is to give to the identities of clusters.
func attemptsFor(e *estate.Estate, a estate.Assign) []estate.Attempt {
	var out []estate.Attempt
	for _, c := range e.ActingAs(a.Principal) {
		for _, x := range finding.Assess(e, c) {
			if x.Identity.Principal != a.Principal || !a.Scope.Contains(x.Need.Scope) || x.Status != finding.Missing {
				continue
			}
			out = append(out, attempts(c, x, x.Missing)...)
		}
	}
	return out
}

// attempts are calls for actions of a need.
func attempts(c *estate.Cluster, x *finding.Assessment, actions []azure.Action) []estate.Attempt {
	var out []estate.Attempt
	for _, action := range actions {
		data := slices.ContainsFunc(x.Need.DataActions, action.Is)
		out = append(out, estate.Attempt{Cluster: c, Who: x.Identity, Action: action, Data: data, Scope: x.Need.Scope})
	}
	return out
}
