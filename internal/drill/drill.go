// Package drill proves predictions: it says what an operation of Kubernetes takes, from the estate, the catalogue and the
// engine, and lets the genuine code of Kubernetes carry it out on a local Azure, in a program of its own (act). Both are
// compared: for the clusters that are there, or for random ones (Agreement).
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// Drill lets clusters of a local Azure be drilled. What it changes there it puts back.
type Drill struct {
	Azure    *local.Azure
	CopyOf   string   // what the local Azure is a copy of, if it is one
	Copies   Copies   // for what AKS itself does to a cluster; nil: that is left out
	Program  string   // path of the controllers' program
	Only     []string // names and groups of operations; none: all
	Faults   bool     // let Azure throttle and fail in the middle of each operation
	Progress func(string)
	journal  *journal // nil: nothing that is changed need be put back
}

// Copies starts a local Azure that holds what the drilled one does, until stop is called.
type Copies func(context.Context) (az *local.Azure, stop func() error, err error)

// Result is what came of a drill; the JSON contract.
type Result struct {
	SchemaVersion string    `json:"schemaVersion"`
	Kubernetes    string    `json:"kubernetes"`       // version of the code that acted
	CopyOf        string    `json:"copyOf,omitempty"` // azure or a path: acted out on a copy of that
	Clusters      []Cluster `json:"clusters"`
	Summary       Summary   `json:"summary"`
	Seconds       float64   `json:"seconds"`
}

// Cluster is what came of a cluster.
type Cluster struct {
	ID            azure.ID      `json:"id"`
	Name          string        `json:"name"`
	ResourceGroup string        `json:"resourceGroup"`
	Subscription  string        `json:"subscription"` // its display name
	Identity      string        `json:"identity"`     // the control plane's
	NotDrilled    string        `json:"notDrilled,omitempty"`
	Operations    []Performance `json:"operations"`
	Left          string        `json:"left,omitempty"` // what could not be put back, and why
}

// Summary counts operations.
type Summary struct {
	Operations int `json:"operations"` // that were acted out
	Worked     int `json:"worked"`
	Refused    int `json:"refused"`
	Silent     int `json:"silent"` // of the refused
	Failed     int `json:"failed"`
	Skipped    int `json:"skipped"`
	Leaked     int `json:"leaked"`     // after which something was left behind
	Unforeseen int `json:"unforeseen"` // that did not end as predicted
}

// Check says what is wrong with Only.
func (d Drill) Check() error {
	for _, name := range d.Only {
		if !slices.ContainsFunc(Operations(), func(op *Operation) bool { return op.named(name) }) {
			var all []string
			for _, op := range Operations() {
				if !slices.Contains(all, op.Group) {
					all = append(all, op.Group)
				}
			}
			return fmt.Errorf("there is no operation %q; choose among %s, or a name that the output shows", name, strings.Join(all, ", "))
		}
	}
	return nil
}

func (op *Operation) named(name string) bool { return name == op.Name || name == op.Group }

// wanted takes an operation together with those that must have worked before it. What AKS does takes copies.
func (d Drill) wanted(op *Operation) bool {
	if op.manage != nil && d.Copies == nil {
		return false
	}
	return len(d.Only) == 0 || slices.ContainsFunc(Operations(), func(other *Operation) bool {
		return slices.ContainsFunc(d.Only, other.named) && other.follows(op)
	})
}

// follows reports whether an operation is another, or comes after it.
func (op *Operation) follows(other *Operation) bool {
	if op == other {
		return true
	}
	i := slices.IndexFunc(Operations(), func(o *Operation) bool { return o.Name == op.After })
	return i >= 0 && Operations()[i].follows(other)
}

// Assume makes changes of roles for as long as the drill lasts; undo takes them back.
func (d Drill) Assume(ctx context.Context, changes []AsIf) (undo func() error, err error) {
	o := &operator{Azure: d.Azure}
	var done []*entry
	undo = func() error {
		var failed []error
		for _, e := range slices.Backward(done) {
			_, err := d.journal.undone(context.WithoutCancel(ctx), o, e)
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	}
	for _, c := range changes {
		err := c.apply(ctx, o, func(e *entry) error {
			done = append(done, e)
			return d.journal.note(e)
		})
		if err != nil {
			return nil, errors.Join(err, undo())
		}
	}
	return undo, nil
}

// Run drills the clusters of an estate, which was read from the same local Azure.
func (d Drill) Run(ctx context.Context, e *estate.Estate) (Result, error) {
	begun := time.Now()
	r := Result{SchemaVersion: "1", CopyOf: d.CopyOf, Clusters: []Cluster{}}
	p, err := Start(ctx, d.Program, d.Azure.Dir, d.journal.held()...)
	if err != nil {
		return r, err
	}
	defer p.Close()
	r.Kubernetes = p.Hello.Kubernetes
	o := &operator{Azure: d.Azure}
	for _, c := range e.Clusters {
		d.say("drilling %s", c.ID.Name())
		cluster, err := d.cluster(ctx, o, p, e, c)
		r.Clusters = append(r.Clusters, cluster)
		r.Summary.add(cluster.Operations)
		if err != nil {
			return r, err
		}
	}
	r.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	return r, nil
}

func (d Drill) say(format string, args ...any) {
	if d.Progress != nil {
		d.Progress(fmt.Sprintf(format, args...))
	}
}

// busy says what AKS is at with a cluster; "": nothing, or that is not known. What changes meanwhile could not be put back.
func busy(c *estate.Cluster) string {
	switch state := c.Text("properties.provisioningState"); strings.ToLower(state) {
	case "", "succeeded", "failed", "canceled":
		return ""
	default:
		return "AKS is not done with it yet: its state is " + state + "; drill it when that is Succeeded"
	}
}

// nodeless says why a cluster has no nodes.
func nodeless(c *estate.Cluster) string {
	switch {
	case strings.EqualFold(c.Text("properties.powerState.code"), "Stopped"):
		return fmt.Sprintf("it is stopped, and has no nodes; start it with: az aks start -g %s -n %s", c.ID.ResourceGroup(), c.ID.Name())
	case len(c.Pools()) == 0:
		return "it has no node pools"
	case strings.EqualFold(c.Text("properties.provisioningState"), "Failed"):
		return "it has no nodes: what AKS did to it last has failed"
	}
	return ErrNoNodes.Error()
}

// cluster drills one cluster and puts it back, also when it is interrupted.
func (d Drill) cluster(ctx context.Context, o *operator, p *Program, e *estate.Estate, c *estate.Cluster) (out Cluster, err error) {
	out = Cluster{ID: c.ID, Name: c.ID.Name(), ResourceGroup: c.ID.ResourceGroup(), Subscription: e.SubscriptionName(c.ID.Subscription()), Operations: []Performance{}}
	if out.NotDrilled = busy(c); out.NotDrilled != "" {
		return out, nil
	}
	s, err := setScene(ctx, o, e, c)
	switch {
	case errors.Is(err, ErrNoNodes):
		out.NotDrilled = nodeless(c)
		return out, nil
	case errors.Is(err, errNoIdentity):
		out.NotDrilled = err.Error()
		return out, nil
	case err != nil:
		return out, err
	}
	out.Identity, s.faults, s.copies, s.journal = s.control.Name, d.Faults, d.Copies, d.journal
	s.before, err = s.take(ctx)
	if err != nil {
		return out, err
	}
	s.seen = s.before
	noted := &entry{Stage: s.stage(), Before: s.before}
	if err := d.journal.note(noted); err != nil {
		return out, err
	}
	defer func() {
		switch e := s.restore(context.WithoutCancel(ctx)); {
		case e == nil:
			err = errors.Join(err, d.journal.forget(noted))
		case d.CopyOf == "": // a copy goes as a whole
			out.Left = e.Error() + "; once nothing keeps that, remove it with: aksid drill --cleanup"
		}
	}()
	out.Operations, err = s.perform(ctx, p, s.parts(d.wanted), "")
	return out, err
}

// Undrilled reports whether there are clusters, and none of them could be drilled.
func (r Result) Undrilled() bool {
	return len(r.Clusters) > 0 && !slices.ContainsFunc(r.Clusters, func(c Cluster) bool { return c.NotDrilled == "" })
}

func (s *Summary) add(all []Performance) {
	for _, p := range all {
		if !p.Agrees {
			s.Unforeseen++
		}
		switch p.Acted.Outcome {
		case Skipped:
			s.Skipped++
			continue
		case Works:
			s.Worked++
		case Refused:
			s.Refused++
		case Failed:
			s.Failed++
		}
		if p.Acted.Silent {
			s.Silent++
		}
		if len(p.Acted.Leaked) > 0 {
			s.Leaked++
		}
		s.Operations++
	}
}
