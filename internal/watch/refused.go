package watch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/failure"
	"aksid/internal/finding"
	"aksid/internal/remedy"
)

// refusals tells of what was refused: what is the same once, with all its entries.
func (p *pass) refusals(events []*estate.Event) []Notice {
	var out []Notice
	index := map[string]int{}
	for _, v := range events {
		actors, clusters := p.actors(v.Principal), p.near(v.Scope)
		if len(actors) > 0 {
			clusters = clustersOf(actors)
		}
		if !v.Failed() || len(clusters) == 0 {
			continue
		}
		key := digest(v.Principal.String(), v.Caller, string(v.Operation), v.Scope.Key(), v.SubStatus)
		if i, ok := index[key]; ok {
			n := &out[i]
			n.Events, n.Time = append(n.Events, v.ID), v.Time
			continue
		}
		if n, ok := p.refused(v, actors, clusters); ok {
			index[key] = len(out)
			out = append(out, n)
		}
	}
	for i := range out {
		if n := len(out[i].Events); n > 1 {
			out[i].Text += fmt.Sprintf(", %d times", n)
		}
	}
	return out
}

// refused is a notice of something that failed, if it failed for want of a right or of an identity.
func (p *pass) refused(v *estate.Event, actors []actor, clusters []azure.ID) (Notice, bool) {
	why := p.explain(v)
	if v.HTTP != http.StatusForbidden && len(why) == 0 {
		return Notice{}, false
	}
	k := kindNamed("refused")
	n := p.finish(k, v, Notice{Clusters: clusters})
	who := n.By
	if len(actors) > 0 {
		who, n.Identity, n.Principal = actors[0].String(), actors[0].Label, pointer(v.Principal)
	} else {
		n.Severity = finding.Warning
	}
	n.Text = fmt.Sprintf("%s was refused %s on %s", who, v.Operation, p.place(v.Scope, clusters))
	for _, f := range why {
		n.Detail = append(n.Detail, f.Cause)
		if f.Breaks != "" {
			n.Detail = append(n.Detail, "meanwhile: "+f.Breaks)
		}
		if f.Verdict != nil && f.Verdict.Reason != "" {
			n.Detail = append(n.Detail, "now: "+f.Verdict.Reason)
		}
		for _, c := range f.Remedy.Changes {
			n.Next = append(n.Next, remedy.Az(c)...)
		}
		n.Next = append(n.Next, f.Remedy.Az...)
	}
	return n, true
}

// explain says what an entry's error means, if that has to do with identity or was forbidden.
func (p *pass) explain(v *estate.Event) []failure.Failure {
	text, err := json.Marshal([]estate.Doc{v.Doc})
	if err != nil {
		return nil
	}
	list, err := failure.Parse(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	var out []failure.Failure
	for _, f := range list {
		if f.IdentityRelated || v.HTTP == http.StatusForbidden {
			out = append(out, f)
		}
	}
	failure.Judge(p.estate, out)
	return out
}
