package drill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
)

// Acted is how an operation ended when the code of Kubernetes carried it out.
type Acted struct {
	Outcome Outcome     `json:"outcome"`
	Silent  bool        `json:"silent,omitempty"` // the controllers say that it worked, and Azure refused something
	By      string      `json:"by,omitempty"`     // who did it, if not the controllers: AKS, in a copy
	Error   string      `json:"error,omitempty"`  // as the operator reads it
	Refused []Refusal   `json:"refused,omitempty"`
	Events  []act.Event `json:"events,omitempty"`
	Result  string      `json:"result,omitempty"` // a service's address, a disk's id
	Faults  []string    `json:"faults,omitempty"` // failures on purpose that were met on the way
	Leaked  []string    `json:"leaked,omitempty"` // what is left although it should be gone
	Calls   int         `json:"calls"`            // requests to Azure
	Seconds float64     `json:"seconds"`
}

// Refusal is what Azure refused for want of a right, in the order in which it did.
type Refusal struct {
	Code      string            `json:"code"`
	Status    int               `json:"status"`
	Action    azure.Action      `json:"action,omitempty"`
	Scope     string            `json:"scope,omitempty"` // may end in a provider, where a list was asked for
	Principal azure.PrincipalID `json:"principal,omitzero"`
	Message   string            `json:"message"`
}

// acted reads what the controllers' program says of a step.
func acted(s act.Step, d *act.Done) Acted {
	a := Acted{Error: d.Error, Events: d.Events, Result: d.Result, Calls: d.Calls, Seconds: d.Took.Round(time.Millisecond).Seconds(), Outcome: Works}
	for _, r := range d.Refused {
		if r.Status == http.StatusTooManyRequests || r.Status >= 500 {
			a.Faults = append(a.Faults, fmt.Sprintf("%d on %s %s", r.Status, r.Method, short(r.Path)))
		}
		if refusal, ok := refusalOf(r); ok {
			a.Refused = append(a.Refused, refusal)
		}
	}
	switch {
	case a.Error == "" && s.Kind == act.PullImage: // perhaps as nobody, where everybody may
	case len(a.Refused) > 0:
		a.Outcome, a.Silent = Refused, a.Error == ""
	case a.Error != "":
		a.Outcome = Failed
	}
	return a
}

// refusalOf reads an answer of Resource Manager or of a registry; one about something other than rights is none.
func refusalOf(r act.Refusal) (Refusal, bool) {
	out := Refusal{Status: r.Status, Code: "Unauthorized"}
	var arm struct {
		Error struct{ Code, Message string }
	}
	var registry struct {
		Errors []struct{ Code, Message string }
	}
	_ = json.Unmarshal(r.Body, &arm)
	_ = json.Unmarshal(r.Body, &registry)
	switch {
	case arm.Error.Code != "":
		out.Code, out.Message = arm.Error.Code, arm.Error.Message
	case len(registry.Errors) > 0:
		out.Code, out.Message = registry.Errors[0].Code, registry.Errors[0].Message
	}
	if r.Status != 401 && r.Status != 403 && out.Code != azure.ScopeLocked.Code {
		return out, false
	}
	out.read()
	return out, true
}

// read finds in the message who may not do what, and where.
func (r *Refusal) read() {
	for _, m := range azure.Scan(r.Message) {
		action, scope := m.Fields["action"], m.Fields["scope"]
		if linked := m.Fields["linkedAction"]; linked != "" {
			action, scope = linked, m.Fields["linkedScope"]
			if scope == "" {
				scope = m.Fields["deniedScope"]
			}
		}
		if verb := m.Fields["verb"]; verb != "" { // of a lock
			action = idOf(scope).Type() + "/" + verb
		}
		if action == "" {
			continue
		}
		r.Action, r.Scope = azure.Action(action), scope
		r.Principal, _ = azure.ParseGUID(m.Fields["oid"])
		return
	}
}

// meets reports whether a prediction names what was refused. A registry does not say which right it misses, and AKS not always.
func (l Lack) meets(r Refusal) bool {
	if typ := rightOf[r.Code]; typ != "" {
		return strings.EqualFold(l.Action.Type(), typ)
	}
	if r.Action == "" {
		return strings.HasPrefix(strings.ToLower(string(l.Action)), "microsoft.containerregistry/")
	}
	if !l.Action.Is(r.Action) || l.Principal != r.Principal && !r.Principal.IsZero() {
		return false
	}
	scope := strings.ToLower(r.Scope)
	return scope == l.Scope.Key() || strings.HasPrefix(scope, l.Scope.Key()+"/")
}

// agrees reports whether an operation ended as predicted: it worked, or it was refused what was predicted to be missing
// first. What is unknown agrees with everything.
func agrees(p Prediction, a Acted) bool {
	switch {
	case a.Outcome == Failed:
		return false
	case p.Outcome == Works:
		return a.Outcome == Works
	case p.Outcome == Unknown:
		return true
	case a.Outcome != Refused:
		return false
	}
	for _, l := range p.Missing {
		if l.meets(a.Refused[0]) {
			return true
		}
	}
	return false
}
