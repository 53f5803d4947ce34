package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/local"
)

type waitOptions struct {
	sourceOptions
	Timeout time.Duration
}

func newWait(a *App) *cobra.Command {
	var o waitOptions
	cmd := &cobra.Command{
		Use:   "wait [CLUSTER...]",
		Short: "Wait until the roles that clusters need are given and visible",
		Long: `Wait until the roles that clusters need now are given. On a local Azure it makes the calls that need them, as the identities
of the clusters, until none is refused. On Azure it reads the assignments until they are all visible: from then it takes up to ten
minutes until they count, for AKS up to an hour.

It only reads. Exit codes: 0 they are there, 1 one is still missing after --timeout, 3 it cannot be told.`,
		Example: `  aksid wait -n aks1 -g rg1 --registry acr1
  aksid wait --from local --timeout 2m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runWait(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long to wait, as in 90s")
	return cmd
}

// errTooLong ends a wait.
var errTooLong = errors.New("it took too long")

func runWait(ctx context.Context, a *App, o waitOptions) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTooLong)
	defer cancel()
	said := ""
	for {
		e, err := a.load(ctx, o.sourceOptions)
		if err != nil {
			return orTooLong(ctx, err)
		}
		open, unknown := openNeeds(e)
		switch {
		case len(open) == 0 && unknown:
			return unreadf("not everything could be told; see: aksid check")
		case len(open) == 0 && e.From == local.From:
			return a.waitLocal(ctx, o, e)
		case len(open) == 0:
			a.sayVisible(e)
			return nil
		case e.From != fromAzure && e.From != local.From:
			return usagef("files do not change; wait reads Azure or the local Azure")
		}
		if open[0] != said {
			said = open[0]
			a.note("waiting for %s", said)
		}
		if err := pause(ctx, pollEvery); err != nil {
			if errors.Is(err, errTooLong) {
				a.note("still missing: %s", said)
				return errFindings
			}
			return err
		}
	}
}

// pollEvery is how often what is to change is looked at.
const pollEvery = 2 * time.Second

func orTooLong(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTooLong) {
		return unreadf("it took too long to read what is there")
	}
	return err
}

// openNeeds are the needs of now that are missing, and whether some could not be decided.
func openNeeds(e *estate.Estate) (open []string, unknown bool) {
	for _, c := range e.Clusters {
		for _, x := range finding.Assess(e, c) {
			switch {
			case x.Need.Certainty != catalogue.Now:
			case x.Status == finding.Missing:
				open = append(open, fmt.Sprintf("%s on %s for %s", x.Need.Role, e.Place(x.Need.Scope, c.ID), x.Identity.Name))
			case x.Status == finding.Unknown:
				unknown = true
			}
		}
	}
	return open, unknown
}

func (a *App) waitLocal(ctx context.Context, o waitOptions, e *estate.Estate) error {
	az, err := a.findLocal(ctx, o.Data)
	if err != nil {
		return err
	}
	var tries []estate.Attempt
	for _, c := range e.Clusters {
		for _, x := range finding.Assess(e, c) {
			if x.Status == finding.Granted && x.Need.Certainty == catalogue.Now && onMachine(x.Identity) {
				tries = append(tries, attempts(c, x, slices.Concat(x.Need.Actions, x.Need.DataActions))...)
			}
		}
	}
	seen, err := awaitLocal(ctx, az, tries, o.Timeout)
	if errors.Is(err, errTooLong) {
		a.note("%v", err)
		return errFindings
	}
	if err == nil {
		fmt.Fprintln(a.Out, seen)
	}
	return err
}

// onMachine reports whether an identity's tokens come from a metadata service, where a call can be made as it: those of service
// principals and of people, who create clusters, do not.
func onMachine(i estate.Identity) bool {
	return i.Role != estate.ServicePrincipal && i.Role != estate.Creator
}

// sayVisible tells when what is visible counts.
func (a *App) sayVisible(e *estate.Estate) {
	var last time.Time
	for _, c := range e.Clusters {
		for _, x := range finding.Assess(e, c) {
			for _, g := range x.GrantedBy {
				if g.CreatedOn.After(last) {
					last = g.CreatedOn
				}
			}
		}
	}
	fmt.Fprintln(a.Out, "visible; up to 10 minutes, AKS up to 60, until they count")
	if !last.IsZero() {
		fmt.Fprintf(a.Out, "the last was given at %s: it counts by %s, as AKS sees it by %s\n", last.UTC().Format(time.RFC3339),
			last.UTC().Add(finding.PropagationRBAC).Format(time.TimeOnly), last.UTC().Add(finding.PropagationAKS).Format(time.TimeOnly))
	}
}

// awaitLocal makes calls as the identities of clusters until none is refused.
func awaitLocal(ctx context.Context, az *local.Azure, tries []estate.Attempt, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errTooLong)
	defer cancel()
	for _, t := range tries {
		for {
			refused, err := t.Refused(ctx, az)
			if err != nil {
				return "", err
			}
			if !refused {
				break
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return "", fmt.Errorf("%w: %s is still refused to %s on %s", err, t.Action, t.Who.Name, t.Scope)
			}
		}
	}
	if len(tries) == 1 {
		return "counts: the call that needs it is not refused", nil
	}
	return fmt.Sprintf("counts: %d calls that need it are not refused", len(tries)), nil
}

// pause waits, unless the context ends before: then it says why that ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// findLocal finds the running local Azure of a data folder.
func (a *App) findLocal(ctx context.Context, data string) (*local.Azure, error) {
	dir, err := a.dataFolder(data)
	if err != nil {
		return nil, err
	}
	az, err := local.Find(ctx, dir)
	if err != nil {
		return nil, unreadError{err}
	}
	a.found = append(a.found, az)
	return az, nil
}
