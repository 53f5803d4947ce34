package drill

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// Performance is one operation of a cluster: what was predicted, and what happened.
type Performance struct {
	Operation string     `json:"operation"`
	Title     string     `json:"title"`
	Target    azure.ID   `json:"target,omitzero"`
	Waits     string     `json:"visibleAfter,omitempty"`
	Predicted Prediction `json:"predicted"`
	Acted     Acted      `json:"acted"`
	Agrees    bool       `json:"agrees"`
}

// part is an operation with a target.
type part struct {
	*Operation
	target azure.ID
}

// parts are the operations that a cluster's shape allows: group by group, and in a group target by target.
func (s *scene) parts(wanted func(*Operation) bool) []part {
	var out []part
	for group := range groups() {
		for _, target := range group[0].targets(s) {
			for _, op := range group {
				if wanted(op) {
					out = append(out, part{op, target})
				}
			}
		}
	}
	return out
}

// groups are the operations that belong together, and have the same targets.
func groups() iter.Seq[[]*Operation] {
	return func(yield func([]*Operation) bool) {
		all := Operations()
		for len(all) > 0 {
			n := slices.IndexFunc(all, func(op *Operation) bool { return op.Group != all[0].Group })
			if n < 0 {
				n = len(all)
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// perform predicts the parts and acts them out. Each runs to success or to its first refusal.
func (s *scene) perform(ctx context.Context, p *Program, parts []part, without azure.Action) (out []Performance, err error) {
	cluster, forget, err := s.act(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, forget()) }()
	if err := p.Open(ctx, cluster); err != nil {
		return nil, err
	}
	defer p.CloseCluster(context.WithoutCancel(ctx), cluster.ID)
	defer func() { err = errors.Join(err, s.leaveCopy()) }()
	worked := map[string]bool{}
	spoiled := "" // the group in which a service was refused something, so that others may find what it left behind
	for i, part := range parts {
		perf := Performance{Operation: part.Name, Title: strings.ReplaceAll(part.Title, "{target}", part.target.Name()), Target: part.target, Waits: part.Waits,
			Predicted: s.predict(part.Operation, part.target, without), Acted: Acted{Outcome: Skipped}, Agrees: true}
		ready := part.After == "" || worked[part.After+part.target.Key()]
		if ready && (spoiled == "" || spoiled == part.Group || !part.serves()) {
			if perf.Acted, err = s.carryOut(ctx, p, part); err != nil {
				return out, err
			}
			perf.Agrees = agrees(perf.Predicted, perf.Acted)
			worked[part.Name+part.target.Key()] = perf.Acted.Outcome == Works
			if perf.Acted.Outcome != Works && part.serves() && s.before == nil {
				spoiled = part.Group
			}
		}
		out = append(out, perf)
		if i+1 == len(parts) || parts[i+1].Group != part.Group || !parts[i+1].target.Equal(part.target) {
			if err := s.lookBehind(ctx, out); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// serves reports whether an operation is about services, which share load balancers.
func (op *Operation) serves() bool { return strings.Contains(op.Name, "service") }

// carryOut lets the controllers' program do a part, or AKS.
func (s *scene) carryOut(ctx context.Context, p *Program, part part) (Acted, error) {
	if part.manage != nil {
		return s.manage(ctx, part)
	}
	step := part.step(s, part.target)
	step.Within, step.Persist = patience, s.faults
	if s.faults {
		step.Within = 3 * patience // the controllers try again after 5, 10, 20 … seconds
	}
	clear, err := s.planFaults(ctx)
	if err != nil {
		return Acted{}, err
	}
	done, err := p.Do(ctx, s.ID.String(), step)
	if err := errors.Join(err, clear()); err != nil {
		return Acted{}, err
	}
	a := acted(step, done)
	return a, s.tidy(ctx, p, step, a)
}

// planFaults lets Resource Manager throttle and fail the next calls of each kind; clear takes back those that have not happened.
func (s *scene) planFaults(ctx context.Context) (clear func() error, err error) {
	var planned []*entry
	clear = func() error {
		var failed []error
		for _, e := range planned {
			_, err := s.journal.undone(context.WithoutCancel(ctx), s.operator, e)
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	}
	if !s.faults {
		return clear, nil
	}
	for _, f := range []local.Fault{
		{Action: "*/write", Status: http.StatusTooManyRequests, Times: 1, RetryAfter: time.Second},
		{Action: "*/read", Status: http.StatusInternalServerError, Times: 1},
		{Action: "*/delete", Status: http.StatusServiceUnavailable, Times: 1},
	} {
		added, err := s.operator.AddFault(ctx, f)
		if err != nil {
			return nil, errors.Join(err, clear())
		}
		e := &entry{Fault: added.ID}
		planned = append(planned, e)
		if err := s.journal.note(e); err != nil {
			return nil, errors.Join(err, clear())
		}
	}
	return clear, nil
}

// lookBehind says of the last operation of a group that was acted out what is left behind although it should be gone, and
// removes it, so that the next group finds nothing of it.
func (s *scene) lookBehind(ctx context.Context, done []Performance) error {
	if s.before == nil {
		return nil
	}
	now, err := s.take(ctx)
	if err != nil {
		return err
	}
	left := now.left(s.seen)
	for i := range slices.Backward(done) {
		if done[i].Acted.Outcome != Skipped {
			done[i].Acted.Leaked = left
			break
		}
	}
	if len(left) == 0 {
		return nil
	}
	if s.restore(ctx) != nil && ctx.Err() == nil { // the last restore tells of it; what comes next is not to blame
		s.seen, err = s.take(ctx)
		return err
	}
	return ctx.Err()
}

// tidy lets the provider take back what it made of a service before it was refused, so that the next operation finds
// nothing of it. Nothing is said of how that ends.
func (s *scene) tidy(ctx context.Context, p *Program, step act.Step, a Acted) error {
	if step.Kind != act.CreateService || a.Outcome == Works {
		return nil
	}
	_, err := p.Do(ctx, s.ID.String(), act.Step{Kind: act.DeleteService, Name: step.Name, Within: patience})
	return err
}
