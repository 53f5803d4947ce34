package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"time"

	"aksid/internal/azure"
	"aksid/internal/finding"
)

// Notice is something that somebody should know. Its JSON is a contract: fields are only added.
type Notice struct {
	// ID is the same whenever the same thing is told of, so that what gets it twice can tell.
	ID       string           `json:"id"`
	Kind     string           `json:"kind"` // of Kinds
	Severity finding.Severity `json:"severity"`
	Time     time.Time        `json:"time"` // when it happened, by Azure's clock where the log says so; UTC
	Text     string           `json:"text"` // one line
	Detail   []string         `json:"detail,omitempty"`
	Next     []string         `json:"next,omitempty"` // commands that only read, or that end it

	Clusters  []azure.ID         `json:"clusters,omitempty"`
	Identity  string             `json:"identity,omitempty"` // what it is to the cluster, as "kubelet"
	Principal *azure.PrincipalID `json:"principalId,omitempty"`
	Role      string             `json:"role,omitempty"` // display name, or the GUID
	Scope     azure.ID           `json:"scope,omitzero"`
	Operation azure.Action       `json:"operation,omitempty"`
	By        string             `json:"by,omitempty"`   // who did it, as the log names them
	ByID      *azure.PrincipalID `json:"byId,omitempty"` // its object id, where the log has it
	// Events are the entries of the activity log, by their eventDataId: none where no log tells of it.
	Events []string `json:"events,omitempty"`
}

// digest is an id for what no event of a log stands for.
func digest(parts ...string) string {
	text, _ := json.Marshal(parts) // texts only
	d := sha256.Sum256(text)
	return hex.EncodeToString(d[:16])
}

func pointer(id azure.GUID) *azure.GUID {
	if id.IsZero() {
		return nil
	}
	return &id
}

// Lines writes notices as JSON, one a line.
func Lines(w io.Writer, notices []Notice) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, n := range notices {
		if err := out.Encode(n); err != nil {
			return err
		}
	}
	return nil
}
