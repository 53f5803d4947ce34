package breakglass

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Azure is what grants are written to.
type Azure interface {
	Put(ctx context.Context, id azure.ID, body any) error
	Ask(ctx context.Context, id azure.ID, body any) (estate.Resource, error)
	Delete(ctx context.Context, id azure.ID) error
	Get(ctx context.Context, id azure.ID) (estate.Resource, bool, error)
	List(ctx context.Context, scope azure.ID, typ, filter string) ([]estate.Resource, error)
	Assigned(ctx context.Context, role azure.GUID, p azure.PrincipalID, scope azure.ID) (bool, error)
}

// Desk is where requests are handled: by somebody, at a time, in a record.
type Desk struct {
	Record File
	Who    Person
	Now    time.Time // by Azure's clock
	On     Azure     // nil: only the record is written
	Tell   func(string)
}

func (d Desk) say(format string, args ...any) {
	if d.Tell != nil {
		d.Tell(fmt.Sprintf(format, args...))
	}
}

// entry completes an entry with who and when.
func (d Desk) entry(e Entry) Entry {
	e.At, e.By = d.Now, d.Who
	return e
}

func (d Desk) find(id string) (*Case, error) {
	rec, err := d.Record.Read()
	if err != nil {
		return nil, err
	}
	return rec.Case(id)
}

// errSkip says that an entry is not needed.
var errSkip = errors.New("nothing to write")

// note writes an entry about a request, unless make says that it is not needed any more.
func (d Desk) note(ctx context.Context, id string, make func(*Case) (Entry, error)) error {
	_, err := d.Record.Append(ctx, func(rec *Record) (Entry, error) {
		c, err := rec.Case(id)
		if err != nil {
			return Entry{}, err
		}
		e, err := make(c)
		e.Request = id
		return d.entry(e), err
	})
	if errors.Is(err, errSkip) {
		return nil
	}
	return err
}

// Refusal says that something may not be done as it was asked for.
type Refusal struct {
	Message string
	Limits  []string // what Privileged Identity Management allows
	Instead []string // what else can be done
}

func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}
