package drill

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// Agreement lets random configurations be predicted and acted out, and counts how often both say the same.
type Agreement struct {
	Configurations int
	Seed           int
	First          int    // number of the first configuration
	Program        string // path of the controllers' program
	// NewAzure starts a local Azure of its own for some of the configurations.
	NewAzure func(context.Context) (az *local.Azure, stop func() error, err error)
	Batch    int // configurations in one local Azure; 0: as many as is good
	Parallel int // clusters that are acted out at a time; 0: as many as is good
	// Lacking makes configurations in which everything is granted but one action.
	Lacking azure.Action
	// WithoutAction leaves an action out of the catalogue, to see that this is noticed.
	WithoutAction azure.Action
	// ForgetAction is one that the local Azure lets everybody perform, to see the same.
	ForgetAction azure.Action
	Progress     func(done, operations, disagreements int)
}

// Tally is what an Agreement comes to.
type Tally struct {
	Configurations int            `json:"configurations"`
	Operations     int            `json:"operations"` // that were acted out
	Agreements     int            `json:"agreements"`
	Unknown        int            `json:"unknown"` // of the agreements: nothing was predicted
	Refused        int            `json:"refused"` // of the agreements: predicted and refused
	Silent         int            `json:"silent"`  // of the refused: the controllers said that it worked
	Disagreements  []Disagreement `json:"disagreements"`
	Seed           int            `json:"seed"`
	Seconds        float64        `json:"seconds"`
}

// Disagreement is an operation that did not end as predicted, with what both sides say.
type Disagreement struct {
	Configuration int      `json:"configuration"`
	Shape         []string `json:"shape"` // what was chosen
	Performance
}

// Defaults of Batch and Parallel, by measurement on two cores.
const (
	defaultBatch    = 50
	defaultParallel = 8
)

// Run builds, predicts and acts out every configuration. With an error it returns what it has come to.
func (a Agreement) Run(ctx context.Context) (t Tally, err error) {
	if a.Batch == 0 {
		a.Batch = defaultBatch
	}
	if a.Parallel == 0 {
		a.Parallel = defaultParallel
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // memory for speed: garbage is most of the work
	begun := time.Now()
	t = Tally{Seed: a.Seed, Disagreements: []Disagreement{}}
	defer func() { t.Seconds = time.Since(begun).Round(time.Millisecond).Seconds() }()
	sum := tallying{Tally: &t}
	batches := (a.Configurations + a.Batch - 1) / a.Batch
	err = each(ctx, batchesAtATime, batches, func(ctx context.Context, i int) error {
		from := i * a.Batch
		return a.batch(ctx, a.First+from, min(a.Batch, a.Configurations-from), &sum)
	})
	slices.SortStableFunc(t.Disagreements, func(x, y Disagreement) int { return x.Configuration - y.Configuration })
	return t, err
}

// batchesAtATime is how many batches are under way: some are built or waited for while others are acted out.
const batchesAtATime = 3

// tallying is a Tally that several batches come to.
type tallying struct {
	mu sync.Mutex
	*Tally
}

// batch is some of the configurations in a local Azure of their own: all are built, then all are read at once as check
// reads them, then all are acted out.
func (a Agreement) batch(ctx context.Context, first, n int, t *tallying) (err error) {
	az, stop, err := a.NewAzure(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if e := stop(); err == nil {
			err = e
		}
	}()
	o := &operator{Azure: az}
	if err := o.makeTopGroup(ctx); err != nil {
		return err
	}
	all := make([]*configuration, n)
	if err := each(ctx, a.Parallel, n, func(ctx context.Context, i int) error {
		all[i] = newConfiguration(o, a.Seed, first+i)
		all[i].lacking = a.Lacking
		return all[i].build(ctx)
	}); err != nil {
		return err
	}
	if _, err := az.AdvanceClock(ctx, laterBy); err != nil {
		return err
	}
	e, err := readAll(ctx, az, all)
	if err != nil {
		return err
	}
	if err := o.forget(ctx, a.ForgetAction, all); err != nil {
		return err
	}
	p, err := Start(ctx, a.Program, az.Dir)
	if err != nil {
		return err
	}
	defer p.Close()
	return each(ctx, a.Parallel, n, func(ctx context.Context, i int) error {
		done, err := all[i].act(ctx, e, p, a.WithoutAction)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.count(all[i], done)
		if a.Progress != nil {
			a.Progress(t.Configurations, t.Operations, len(t.Disagreements))
		}
		return err
	})
}

// forget lets the clusters' identities perform an action everywhere, without the estate that was read knowing of it.
func (o *operator) forget(ctx context.Context, action azure.Action, all []*configuration) error {
	if action == "" {
		return nil
	}
	for _, sub := range o.Subscriptions {
		scope := azure.SubscriptionID(sub.ID)
		role, err := o.defineRole(ctx, scope, "forgotten", []string{string(action)}, []string{}, []string{})
		if err != nil {
			return err
		}
		for _, c := range all {
			who, err := c.people()
			if err != nil {
				return err
			}
			for _, p := range []azure.PrincipalID{who.control, who.kubelet} {
				if err := c.give(ctx, role, p, scope, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// readAll reads the configurations as aksid check does.
func readAll(ctx context.Context, az *local.Azure, all []*configuration) (*estate.Estate, error) {
	l, err := estate.LocalAzure(az)
	if err != nil {
		return nil, err
	}
	kubes := map[string]*estate.Kube{}
	var objects []map[string]any
	for _, c := range all {
		if kubes[c.cluster.Key()], err = estate.NewKube(c.objects...); err != nil {
			return nil, err
		}
		objects = append(objects, c.objects...)
	}
	if l.Kube, err = estate.NewKube(objects...); err != nil {
		return nil, err
	}
	e, err := l.Load(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range e.Clusters {
		e.AddKube(c, kubes[c.ID.Key()])
	}
	return e, nil
}

// act performs everything that a configuration's shape allows.
func (c *configuration) act(ctx context.Context, e *estate.Estate, p *Program, without azure.Action) ([]Performance, error) {
	for _, cluster := range e.Clusters {
		if !cluster.ID.Equal(c.cluster) {
			continue
		}
		s, err := setScene(ctx, c.operator, e, cluster)
		if err != nil {
			return nil, fmt.Errorf("configuration %d: %w", c.number, err)
		}
		return s.perform(ctx, p, s.parts(func(op *Operation) bool { return c.groups[op.Group] }), without)
	}
	return nil, fmt.Errorf("cluster %s was not read", c.cluster)
}

func (t *Tally) count(c *configuration, done []Performance) {
	t.Configurations++
	for _, p := range done {
		if p.Acted.Outcome == Skipped {
			continue
		}
		t.Operations++
		if !p.Agrees {
			t.Disagreements = append(t.Disagreements, Disagreement{c.number, c.says, p})
			continue
		}
		t.Agreements++
		switch {
		case p.Predicted.Outcome == Unknown:
			t.Unknown++
		case p.Acted.Outcome == Refused:
			t.Refused++
			if p.Acted.Silent {
				t.Silent++
			}
		}
	}
}

// each runs fn for 0 to n-1, so many at a time, and ends at the first error.
func each(ctx context.Context, parallel, n int, fn func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallel)
	var work sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			if err := fn(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}
