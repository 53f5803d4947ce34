package report

import (
	"io"
	"time"

	"aksid/internal/estate"
)

// Opening is what an answer about an estate begins with.
type Opening struct {
	SchemaVersion string              `json:"schemaVersion"`
	From          string              `json:"from"`
	At            time.Time           `json:"at"`
	Complete      bool                `json:"complete"`
	Incomplete    []estate.Incomplete `json:"incomplete"`
}

// opening is that of an answer, of which something could not be read.
func opening(e *estate.Estate, at time.Time, incomplete []estate.Incomplete) Opening {
	return Opening{SchemaVersion, e.From, at.UTC().Truncate(time.Second), len(incomplete) == 0, filled(incomplete)}
}

// inForm writes an answer as json, markdown or table.
func inForm(w io.Writer, format string, colour bool, v any, table, markdown func(*printer)) error {
	p := &printer{colour: colour && format != "markdown"}
	switch format {
	case "json":
		return JSON(w, v)
	case "markdown":
		markdown(p)
	default:
		table(p)
	}
	return p.flush(w)
}
