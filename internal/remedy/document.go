package remedy

import (
	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Document is a plan as JSON, and the contract of that form.
type Document struct {
	SchemaVersion string         `json:"schemaVersion"`
	Steps         []StepDocument `json:"steps"` // in the order in which they are to be done
}

// StepDocument is one step.
type StepDocument struct {
	Kind     Kind       `json:"kind"` // grant, allow, renew or withdraw
	What     string     `json:"what"`
	Why      []string   `json:"why"`
	Rules    []string   `json:"rules"` // of the findings that it mends
	Clusters []azure.ID `json:"clusters"`
	Az       []string   `json:"az"`
	Undo     []string   `json:"undo"`             // az commands
	ByHand   string     `json:"byHand,omitempty"` // why --apply leaves it to a person
	Refused  []Refusal  `json:"refused,omitempty"`
	Put      *Put       `json:"put,omitempty"`    // the call that carries it out
	Delete   *azure.ID  `json:"delete,omitempty"` // the same, for what is taken away
}

// Put is a resource and its body.
type Put struct {
	ID   azure.ID       `json:"id"`
	Body map[string]any `json:"body"`
}

// Document is the plan as JSON.
func (p Plan) Document() Document {
	d := Document{SchemaVersion: "1", Steps: []StepDocument{}}
	for _, s := range p.Steps {
		x := StepDocument{Kind: s.Kind, What: s.What, Why: filled(s.Why), Rules: filled(s.Rules), Clusters: []azure.ID{},
			Az: filled(s.Az), Undo: filled(s.Undo), ByHand: s.ByHand, Refused: s.Refused}
		for _, c := range s.Clusters {
			x.Clusters = append(x.Clusters, c.ID)
		}
		if w := p.write(s.Change); !w.id.IsZero() {
			x.Put = &Put{w.id, w.body}
		}
		if c, ok := s.Change.(estate.Unassign); ok {
			x.Delete = &c.ID
		}
		d.Steps = append(d.Steps, x)
	}
	return d
}

// filled is a list that prints as [] when there is nothing in it.
func filled[T any](list []T) []T { return append([]T{}, list...) }
