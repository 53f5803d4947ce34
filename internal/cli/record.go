package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"aksid/internal/cloud"
)

// recorder writes what a local Azure decides: every decision to a file, and where refusals pass, these to the log.
type recorder struct {
	mu     sync.Mutex
	file   *os.File // nil: none
	log    io.Writer
	passes bool
}

func (a *App) recorder(o upOptions) (*recorder, error) {
	r := &recorder{log: a.Err, passes: o.Enforce == "log"}
	if o.Record == "" {
		return r, nil
	}
	var err error
	r.file, err = os.OpenFile(o.Record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, usagef("cannot record to %s (%w); name another file with --record", o.Record, err)
	}
	return r, nil
}

func (r *recorder) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// decided is what is told of decisions; nil where nobody wants to know.
func (r *recorder) decided() func(cloud.Decided) {
	if r.file == nil && !r.passes {
		return nil
	}
	return r.write
}

func (r *recorder) write(d cloud.Decided) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.passes && d.Outcome != "Granted" {
		fmt.Fprintf(r.log, "aksid: let pass: %s lacks %s on %s\n", d.Principal, d.Action, d.Scope)
	}
	if r.file == nil {
		return
	}
	if err := json.NewEncoder(r.file).Encode(d); err != nil {
		fmt.Fprintf(r.log, "aksid: a decision could not be recorded: %v\n", err)
	}
}
