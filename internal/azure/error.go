package azure

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is an answer of ARM, a resource provider or a data plane: the status and the envelope
// {"error":{"code","message","target","details"}} (ARM common API contract), or that of AKS, which has none.
type Error struct {
	Status   int // HTTP status code
	Code     string
	Message  string
	Target   string
	Details  []*Error
	Info     []Info
	Header   http.Header // further headers, as WWW-Authenticate
	Bare     bool        // is answered without "error" around it, as AKS's resource provider does
	Provider bool        // a resource provider refuses, and not Resource Manager in front of it
}

// Info is a member of additionalInfo: what a machine can read of an error, as the conditions of a policy that refused.
type Info struct {
	Type string `json:"type"`
	Info any    `json:"info"`
}

func (e *Error) Error() string { return fmt.Sprintf("(%s) %s", e.Code, e.Message) }

type wireError struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Target  string      `json:"target,omitempty"`
	Details []wireError `json:"details,omitempty"`
	Info    []Info      `json:"additionalInfo,omitempty"`
}

func (e *Error) wire() wireError {
	w := wireError{Code: e.Code, Message: e.Message, Target: e.Target, Info: e.Info}
	for _, d := range e.Details {
		w.Details = append(w.Details, d.wire())
	}
	return w
}

// MarshalJSON prints the inner object, without the "error" around it.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.wire()) }

// Body is the whole answer.
func (e *Error) Body() []byte {
	if e.Bare {
		return e.bare()
	}
	b, _ := json.Marshal(map[string]wireError{"error": e.wire()}) // strings always marshal
	return b
}

// bare is the answer in AKS's form, down to the blanks (github.com/Azure/terraform-azurerm-avm-res-containerservice-managedcluster/issues/166).
func (e *Error) bare() []byte {
	v := map[string]any{"code": e.Code, "message": e.Message, "details": nil, "subcode": ""}
	if e.Target != "" {
		v["target"] = e.Target
	}
	if e.Details != nil {
		v["details"] = e.wire().Details
	}
	b, _ := json.MarshalIndent(v, " ", " ") // strings always marshal
	return b
}
