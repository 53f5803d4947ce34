package rbac

import (
	"time"

	"aksid/internal/azure"
)

// Record is a decision in short, to be kept as a line of JSON.
type Record struct {
	At        time.Time         `json:"at"`
	Principal azure.PrincipalID `json:"principal"`
	Action    azure.Action      `json:"action"`
	Data      bool              `json:"data,omitempty"`
	Scope     azure.ID          `json:"scope"`
	Outcome   string            `json:"outcome"`     // Granted, NotGranted, Denied or Unknown
	By        azure.ID          `json:"by,omitzero"` // the role assignment that grants
}

// Record says what was asked and decided.
func (d Decision) Record(r Request) Record {
	said := Record{At: r.At, Principal: r.Principal, Action: r.Action, Data: r.Data, Scope: r.Scope, Outcome: d.Outcome.String()}
	if d.By != nil {
		said.By = d.By.ID
	}
	return said
}
