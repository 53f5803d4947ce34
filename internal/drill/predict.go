package drill

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
)

// Outcome is how an operation ends.
type Outcome string

// The outcomes, as the JSON has them.
const (
	Works   Outcome = "works"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"  // for another reason than a right that is missing
	Unknown Outcome = "unknown" // it cannot be told from what is known
	Skipped Outcome = "skipped" // what must work before did not
)

// Prediction is what the estate, the catalogue and the engine say of an operation before anything is done.
type Prediction struct {
	Outcome Outcome `json:"outcome"`
	Missing []Lack  `json:"missing,omitempty"`
	Unknown []Lack  `json:"unknown,omitempty"`
}

// Lack is a right that a need of the catalogue asks for and that is not granted, or of which that is not known.
type Lack struct {
	Rule      string            `json:"rule,omitempty"` // of aksid check
	Action    azure.Action      `json:"action"`
	Scope     azure.ID          `json:"scope"`
	Principal azure.PrincipalID `json:"principal"`
	Denied    string            `json:"denied,omitempty"` // the deny assignment that denies it
	Locked    string            `json:"locked,omitempty"` // the lock that refuses it, whoever asks
	Older     string            `json:"older,omitempty"`  // why Kubernetes 1.29 needs it and today's does not
}

// predict decides every right that an operation is about, as far as the catalogue knows it.
func (s *scene) predict(op *Operation, target azure.ID, without azure.Action) Prediction {
	var p Prediction
	touches := op.touches(s, target)
	actor, who := estate.ControlPlane, s.control
	if op.Actor == estate.Kubelet {
		actor, who = estate.Kubelet, s.kubelet
	}
	for _, r := range catalogue.All() {
		if r.Actor != actor {
			continue
		}
		for need := range r.Needs(s.estate, s.Cluster) {
			for i, action := range slices.Concat(need.Actions, need.DataActions) {
				t := slices.IndexFunc(touches, func(t touch) bool { return t.covers(action, need.Scope) })
				if t < 0 || without != "" && action.Is(without) {
					continue
				}
				request := rbac.Request{Principal: who.Principal, Action: action, Data: i >= len(need.Actions), Scope: need.On(action)}
				lack := Lack{Rule: finding.MissingID(r), Action: action, Scope: need.Scope, Principal: who.Principal}
				if need.Unsure != "" {
					p.Unknown = append(p.Unknown, lack)
					continue
				}
				if !touches[t].linked {
					p.lock(s.estate, request, lack)
				}
				p.decide(s.estate, request, lack)
			}
		}
	}
	for _, o := range op.older {
		action := azure.Action(o.typ + "/" + o.verb)
		request := rbac.Request{Principal: who.Principal, Action: action, Scope: target}
		lack := Lack{Action: action, Scope: target, Principal: who.Principal, Older: o.why}
		p.lock(s.estate, request, lack)
		p.decide(s.estate, request, lack)
	}
	p.Outcome = Works
	switch {
	case len(p.Missing) > 0:
		p.Outcome = Refused
	case len(p.Unknown) > 0:
		p.Outcome = Unknown
	}
	return p
}

func (p *Prediction) decide(e *estate.Estate, r rbac.Request, lack Lack) {
	switch d := e.Decide(r); d.Outcome {
	case rbac.Denied:
		lack.Denied = fmt.Sprintf("%s at %s", d.Deny.Name, d.Deny.Scope)
		p.Missing = append(p.Missing, lack)
	case rbac.NotGranted:
		p.Missing = append(p.Missing, lack)
	case rbac.Unknown:
		p.Unknown = append(p.Unknown, lack)
	}
}

// ruleLocked is the rule of aksid check about locks.
const ruleLocked = "locked"

// lock adds the lock that refuses what roles may grant: CanNotDelete a deletion, ReadOnly also a write.
func (p *Prediction) lock(e *estate.Estate, r rbac.Request, lack Lack) {
	deletes, writes := strings.HasSuffix(r.Action.Key(), "/delete"), strings.HasSuffix(r.Action.Key(), "/write")
	for _, l := range e.Locks() {
		if l.Scope.Contains(r.Scope) && (deletes || writes && l.ReadOnly) {
			lack.Rule, lack.Locked = ruleLocked, l.ID.String()
			p.Missing = append(p.Missing, lack)
			return
		}
	}
}
