package access

import (
	"net/http"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// FromLog are the uses by the identities of an estate's clusters that its activity logs hold, and what the catalogue adds: no
// activity log holds reads, what is checked on linked resources, or what is done at data planes (Azure Monitor, activity log).
// What the catalogue knows a cluster to need as it is is added always, what depends on its workloads where the log shows a part.
func FromLog(e *estate.Estate) []Use {
	var out []Use
	told := map[azure.PrincipalID][]Use{}
	for _, c := range e.Clusters {
		for _, r := range catalogue.All() {
			who, ok := e.Actor(c, r.Actor, r.AddOn)
			if !ok || !who.Known() || r.Actor == estate.Creator {
				continue
			}
			seen, before := told[who.Principal]
			if !before {
				seen = logged(e, who.Principal)
				told[who.Principal], out = seen, append(out, seen...)
			}
			for need := range r.Needs(e, c) {
				out = append(out, completion(who.Principal, r, need, seen)...)
			}
		}
	}
	return out
}

// logged is what the activity logs hold of a principal. What failed for another reason than a missing right was allowed.
func logged(e *estate.Estate, p azure.PrincipalID) []Use {
	var out []Use
	for _, v := range e.Events() {
		if v.Principal != p {
			continue
		}
		u := Use{Principal: p, Action: v.Operation, Scope: v.Scope, Outcome: granted}
		if v.Failed() && (v.HTTP == http.StatusForbidden || v.HTTP == http.StatusUnauthorized) {
			u.Outcome = "NotGranted"
		}
		out = append(out, u)
	}
	return out
}

// completion is what a need adds to what was seen.
func completion(p azure.PrincipalID, r *catalogue.Requirement, need catalogue.Need, seen []Use) []Use {
	if need.Certainty != catalogue.Now && !slices.ContainsFunc(seen, func(u Use) bool { return u.Outcome == granted && exercises(u, need) }) {
		return nil
	}
	var out []Use
	for i, action := range slices.Concat(need.Actions, need.DataActions) {
		out = append(out, Use{Principal: p, Action: action, Data: i >= len(need.Actions), Scope: need.Scope, Outcome: granted, Catalogue: r.ID})
	}
	if need.Or != nil { // one of the two is needed, and it is not known which
		out = append(out, completion(p, r, *need.Or, seen)...)
	}
	return out
}

func exercises(u Use, need catalogue.Need) bool {
	return need.Scope.Contains(u.Scope) && slices.ContainsFunc(need.Actions, u.Action.Is)
}
