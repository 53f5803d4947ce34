package remedy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// recorder is an Azure and a Guard that write down what they are asked.
type recorder struct {
	calls  []string
	during func(call string, ctx context.Context) error
}

func (r *recorder) note(ctx context.Context, call string) error {
	r.calls = append(r.calls, call)
	if r.during == nil {
		return nil
	}
	return r.during(call, ctx)
}

func (r *recorder) Put(ctx context.Context, id azure.ID, _ any) error {
	return r.note(ctx, "put "+id.Name())
}
func (r *recorder) Delete(ctx context.Context, id azure.ID) error {
	return r.note(ctx, "delete "+id.Name())
}
func (r *recorder) Before(ctx context.Context, s Step) error {
	return r.note(ctx, "before "+string(s.Kind))
}
func (r *recorder) After(ctx context.Context, s Step) (string, error) {
	return "seen", r.note(ctx, "after "+string(s.Kind))
}

func TestApply(t *testing.T) {
	p := plan(t)
	r := &recorder{}
	told := 0
	done, err := p.Apply(t.Context(), r, r, func(Done) { told++ })
	if err != nil || len(done) != 11 || told != 11 { // of 13, one is a lock's and one the cluster's
		t.Fatalf("%d done, %d told, %v", len(done), told, err)
	}
	calls := strings.Join(r.calls, "\n")
	if n := strings.Count(calls, "put "); n != 10 {
		t.Errorf("%d puts in\n%s", n, calls)
	}
	if !strings.HasSuffix(calls, "before withdraw\ndelete e0000000-0000-0000-0000-000000000001\nafter withdraw") || strings.Count(calls, "delete ") != 1 {
		t.Errorf("a right is not taken away last, or not looked after:\n%s", calls)
	}
}

// Whatever goes wrong ends the work there; what was done is told.
func TestApplyStopsAtTheFirstSurprise(t *testing.T) {
	surprise := errors.New("surprise")
	for _, c := range []struct {
		at   string
		done int
	}{{"put ", 0}, {"after grant", 1}, {"before withdraw", 10}, {"delete ", 10}} {
		r := &recorder{during: func(call string, _ context.Context) error {
			if strings.HasPrefix(call, c.at) {
				return surprise
			}
			return nil
		}}
		done, err := plan(t).Apply(t.Context(), r, r, func(Done) {})
		if !errors.Is(err, surprise) || len(done) != c.done {
			t.Errorf("%s: %d done, %v", c.at, len(done), err)
		}
		if last := r.calls[len(r.calls)-1]; !strings.HasPrefix(last, c.at) {
			t.Errorf("%s: it went on to %s", c.at, last)
		}
	}
}

// An interrupt lets the write that is under way end, and nothing begins after it.
func TestApplyInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{during: func(call string, during context.Context) error {
		if strings.HasPrefix(call, "put ") {
			cancel()
			return during.Err()
		}
		return during.Err()
	}}
	done, err := plan(t).Apply(ctx, r, r, func(Done) {})
	if !errors.Is(err, context.Canceled) || len(done) != 1 || len(r.calls) != 2 {
		t.Errorf("%d done, %v: %v", len(done), err, r.calls)
	}
}
