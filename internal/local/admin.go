package local

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Clock is what a local Azure's clock says.
type Clock struct {
	Now    time.Time `json:"now"`
	Offset string    `json:"offset"` // how far it is ahead of the time of day, as 26h0m0s
}

// Clock reads the clock.
func (a *Azure) Clock(ctx context.Context) (Clock, error) {
	var c Clock
	return c, a.admin(ctx, http.MethodGet, "/clock", nil, &c)
}

// AdvanceClock moves the clock forward.
func (a *Azure) AdvanceClock(ctx context.Context, by time.Duration) (Clock, error) {
	var c Clock
	return c, a.admin(ctx, http.MethodPost, "/clock", map[string]string{"by": by.String()}, &c)
}

// Fault makes calls that need an action fail with a status, a number of times.
type Fault struct {
	ID         int           `json:"id,omitempty"`
	Action     string        `json:"action"` // with * as roles have it
	Status     int           `json:"status"`
	Code       string        `json:"code,omitempty"`
	Times      int           `json:"times"`
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// AddFault plans a fault.
func (a *Azure) AddFault(ctx context.Context, f Fault) (Fault, error) {
	return f, a.admin(ctx, http.MethodPost, "/faults", f, &f)
}

// Faults are the planned faults that have not all happened.
func (a *Azure) Faults(ctx context.Context) ([]Fault, error) {
	var all []Fault
	return all, a.admin(ctx, http.MethodGet, "/faults", nil, &all)
}

// RemoveFault forgets a planned fault, if it has not happened.
func (a *Azure) RemoveFault(ctx context.Context, id int) error {
	return a.admin(ctx, http.MethodDelete, "/faults/"+strconv.Itoa(id), nil, nil)
}

// ClearFaults forgets all planned faults.
func (a *Azure) ClearFaults(ctx context.Context) error {
	return a.admin(ctx, http.MethodDelete, "/faults", nil, nil)
}

// Export is all that the local Azure holds, in the form that aksid check --save writes and up --seed reads. Secrets are not in it.
func (a *Azure) Export(ctx context.Context) (json.RawMessage, error) {
	var all json.RawMessage
	return all, a.admin(ctx, http.MethodGet, "/export", nil, &all)
}

// admin calls the admin API.
func (a *Azure) admin(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+AdminPath+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(AdminHeader, a.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	return a.do(req, out)
}
