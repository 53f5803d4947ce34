package watch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// query is a query over the table AzureActivity.
type query struct{ name, text string }

// queryRow is the query of a kind: what else is to hold of its entries than operation and outcome.
type queryRow struct {
	kind  string
	also  []azure.Action // operations that the kind does not name
	named string         // holds of an entry of the same call: who gets a role stands in that of the beginning, of the end, or in both
	lets  []string       // lists that it needs, of scene.lists
	where []string
}

const byName = "Properties has_any (identities)"

var queryRows = []queryRow{
	{kind: "high-scope-grant", named: byName, lets: []string{"identities"}, where: []string{`_ResourceId !contains "/resourcegroups/"`}},
	{kind: "role-given", named: byName, lets: []string{"identities"}},
	{kind: "role-removed", lets: []string{"identities", "assignments"},
		where: []string{"Properties has_any (identities) or Properties has_any (assignments) or _ResourceId has_any (assignments)"}},
	{kind: "scope-role-given", where: []string{"$places"}},
	{kind: "scope-role-removed", where: []string{"$places"}},
	{kind: "role-activated", named: byName, lets: []string{"identities"}},
	{kind: "break-glass-used", named: `Properties has "` + estate.TicketSystem + `"`}, // which the mark begins with too
	{kind: "role-changed", lets: []string{"roles"}, where: []string{"_ResourceId has_any (roles)"}},
	{kind: "identity-deleted", where: []string{"$identities"}},
	{kind: "credential-added", where: []string{"$identities"}},
	{kind: "credential-removed", where: []string{"$identities"}},
	{kind: "identity-switched", also: []azure.Action{estate.TypeCluster + "/write"}, where: []string{"$clusters"}},
	{kind: "admin-credential", where: []string{"$clusters"}},
	{kind: "command-run", where: []string{"$clusters"}},
	{kind: "refused", lets: []string{"identities"}, where: []string{`ActivitySubstatusValue =~ "Forbidden"`, "Caller in~ (identities) or Claims has_any (identities)"}},
}

// queries are those for the clusters of the scene. A kind of which there is nothing to ask for has none.
func (s *scene) queries() []query {
	lists := map[string][]string{"identities": s.holders(), "assignments": s.assignments(), "roles": s.roles()}
	under := map[string][]azure.ID{"$clusters": s.clusterIDs(), "$identities": s.identityIDs(), "$places": s.placeIDs()}
	var out []query
	for _, row := range queryRows {
		if text, ok := row.text(lists, under); ok {
			out = append(out, query{row.kind, text})
		}
	}
	return out
}

func (r queryRow) text(lists map[string][]string, under map[string][]azure.ID) (string, bool) {
	k := kindNamed(r.kind)
	var b strings.Builder
	fmt.Fprintf(&b, "// %s.\n", k.Title)
	for _, name := range r.lets {
		if len(lists[name]) == 0 && name == "identities" {
			return "", false
		}
		text, _ := json.Marshal(lists[name])
		fmt.Fprintf(&b, "let %s = dynamic(%s);\n", name, text)
	}
	b.WriteString("AzureActivity\n")
	if k.Failed {
		b.WriteString("| where ActivityStatusValue =~ \"Failure\"\n")
	} else {
		fmt.Fprintf(&b, "| where OperationNameValue in~ (%s) and ActivityStatusValue =~ \"Success\"\n", operationList(slices.Concat(r.also, k.Operations)))
	}
	for _, w := range r.where {
		if ids, ok := under[w]; ok {
			if len(ids) == 0 {
				return "", false
			}
			w = startsWith(ids)
		}
		fmt.Fprintf(&b, "| where %s\n", w)
	}
	if r.named != "" {
		fmt.Fprintf(&b, "| join kind=leftsemi (AzureActivity\n    | where OperationNameValue in~ (%s) and %s\n    | project CorrelationId) on CorrelationId\n", operationList(k.Operations), r.named)
	}
	if k.Failed {
		b.WriteString("| summarize Times = count(), First = min(TimeGenerated), Last = max(TimeGenerated) by Caller, OperationNameValue, _ResourceId\n| order by Last desc\n")
	} else {
		b.WriteString("| project TimeGenerated, Caller, OperationNameValue, _ResourceId, CorrelationId, EventDataId, Properties\n| order by TimeGenerated desc\n")
	}
	return b.String(), true
}

func operationList(operations []azure.Action) string {
	var out []string
	for _, o := range operations {
		out = append(out, kqlText(string(o)))
	}
	return strings.Join(out, ", ")
}

// startsWith is a condition on the id of what an entry is about.
func startsWith(ids []azure.ID) string {
	var out []string
	for _, id := range ids {
		out = append(out, "_ResourceId startswith "+kqlText(id.Key()))
	}
	return strings.Join(out, " or ")
}

// kqlText is a string literal, which is written as in JSON (Kusto, the string data type).
func kqlText(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// assignments are the names of the identities' role assignments: Azure says in the entry of a removal what was removed, but not everywhere.
func (s *scene) assignments() []string {
	out := []string{}
	for _, g := range s.Grants {
		if len(s.Actors[g.Principal]) > 0 {
			out = append(out, strings.ToLower(g.ID.Name()))
		}
	}
	slices.Sort(out)
	return out
}

func (s *scene) roles() []string {
	out := []string{}
	for _, g := range s.Grants {
		if id := g.RoleID.String(); len(s.Actors[g.Principal]) > 0 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (s *scene) placeIDs() []azure.ID {
	var out []azure.ID
	for _, p := range s.Places {
		out = append(out, p.ID)
	}
	slices.SortFunc(out, func(a, b azure.ID) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}
