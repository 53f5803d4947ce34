package watch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/remedy"
)

// Rules are what tells of the same inside Azure, for the clusters of an estate: activity log alerts, as an ARM template and as
// Bicep for each subscription, and queries over the table AzureActivity of a Log Analytics workspace; and a script that
// deploys them. An alert can only compare fields: who got a role it cannot see. The queries can.
func Rules(e *estate.Estate) []remedy.File {
	s := look(e, finding.Options{})
	var files []remedy.File
	subs := s.subscriptions()
	for _, sub := range subs {
		alerts := s.alerts(sub)
		files = append(files, remedy.File{Name: "alerts-" + sub + ".json", Text: template(alerts)}, remedy.File{Name: "alerts-" + sub + ".bicep", Text: bicep(alerts)})
	}
	for _, q := range s.queries() {
		files = append(files, remedy.File{Name: "queries/" + q.name + ".kql", Text: q.text})
	}
	return append(files, remedy.File{Name: "deploy.sh", Text: script(subs)})
}

// where says what an alert is about.
type where int

const (
	anywhere where = iota // in the subscription
	onIdentities
	onClusters
	byIdentities // what they did, anywhere in the subscription
)

// alertRow is an alert, and the kinds of notices that it stands for.
type alertRow struct {
	name  string
	title string
	kinds []string
	where where
	also  []azure.Action // operations that none of the kinds names
	note  string         // what it cannot do
}

var alertRows = []alertRow{
	{"role-changes", "Roles were given or taken", []string{"high-scope-grant", "role-given", "scope-role-given", "role-removed", "scope-role-removed", "role-activated", "break-glass-used", "break-glass-ended"}, anywhere, nil,
		"an alert cannot see who gets the role: the queries role-given and high-scope-grant can"},
	{"role-definitions", "A role was changed", []string{"role-changed"}, anywhere, nil, ""},
	{"identities", "An identity of a cluster was deleted, or its federated credentials changed", []string{"identity-deleted", "credential-added", "credential-removed"}, onIdentities, nil, ""},
	{"cluster-access", "Somebody took the credential of a cluster's local administrator, or ran a command in it", []string{"admin-credential", "command-run"}, onClusters, nil, ""},
	{"cluster-writes", "A cluster was written, perhaps its identity", []string{"identity-switched"}, onClusters, []azure.Action{estate.TypeCluster + "/write"}, "an alert cannot see what of the cluster was written"},
	{"refused", "Azure refused something to a cluster's identity", []string{"refused"}, byIdentities, nil, ""},
}

// unruled are kinds that nothing in an activity log tells of.
var unruled = []string{"group-joined", "group-left", "secret-expiring", "finding-begins", "finding-ends", "history-missing"}

// alert is an activity log alert, as its resource has it.
type alert struct {
	name, description string
	scopes            []string
	all               []any // of its condition
}

// alerts are those of a subscription: an alert is of the subscription that it is in.
func (s *scene) alerts(sub string) []alert {
	var out []alert
	for _, row := range alertRows {
		a := alert{name: "aksid-" + row.name, description: row.describe(), scopes: s.scopes(row.where, sub)}
		if len(a.scopes) == 0 {
			continue
		}
		a.all = []any{leaf("category", "Administrative")}
		if row.where == byIdentities {
			a.all = append(a.all, leaf("status", "Failed"), leaf("subStatus", "Forbidden"), anyOf("caller", s.principals()))
		} else {
			a.all = append(a.all, leaf("status", "Succeeded"), anyOf("operationName", row.operations()))
		}
		out = append(out, a)
	}
	return out
}

func (r alertRow) describe() string {
	if r.note == "" {
		return r.title
	}
	return r.title + "; " + r.note
}

func (r alertRow) operations() []string {
	var out []string
	for _, a := range r.also {
		out = append(out, string(a))
	}
	for _, k := range r.kinds {
		for _, a := range kindNamed(k).Operations {
			if !slices.Contains(out, string(a)) {
				out = append(out, string(a))
			}
		}
	}
	return out
}

func leaf(field, value string) object { return object{"field": field, "equals": value} }

func anyOf(field string, values []string) object {
	return object{"field": field, "containsAny": values}
}

// scopes are the beginnings of the ids that an alert is about.
func (s *scene) scopes(w where, sub string) []string {
	var out []string
	add := func(id azure.ID) {
		if strings.EqualFold(id.Subscription(), sub) && !slices.Contains(out, id.String()) {
			out = append(out, id.String())
		}
	}
	switch w {
	case onIdentities:
		for _, id := range s.identityIDs() {
			add(id)
		}
	case onClusters:
		for _, id := range s.clusterIDs() {
			add(id)
		}
	default:
		add(azure.SubscriptionID(sub))
	}
	return out
}

func (s *scene) clusterIDs() []azure.ID {
	var out []azure.ID
	for _, key := range slices.Sorted(maps.Keys(s.Clusters)) {
		out = append(out, s.Clusters[key].ID)
	}
	return out
}

func (s *scene) identityIDs() []azure.ID {
	set := map[string]azure.ID{}
	for _, c := range s.Clusters {
		for _, id := range c.Identities {
			if !id.Resource.IsZero() {
				set[id.Resource.Key()] = id.Resource
			}
		}
	}
	var out []azure.ID
	for _, key := range slices.Sorted(maps.Keys(set)) {
		out = append(out, set[key])
	}
	return out
}

// principals are the identities' object ids; those of their groups are not among them, which do nothing themselves.
func (s *scene) principals() []string {
	out := []string{}
	for p, actors := range s.Actors {
		if slices.ContainsFunc(actors, func(a actor) bool { return a.Group == "" }) {
			out = append(out, p.String())
		}
	}
	slices.Sort(out)
	return out
}

// holders are the identities' object ids and those of the groups that they are in.
func (s *scene) holders() []string {
	out := []string{}
	for p := range s.Actors {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return out
}

type object = map[string]any

// parameter stands for a template's parameter.
type parameter string

const actionGroup parameter = "actionGroup"

const actionGroupHelp = "Id of the action group that is told."

const (
	alertType    = "Microsoft.Insights/activityLogAlerts"
	alertVersion = "2020-10-01"
)

func (a alert) properties(group any) object {
	return object{
		"description": a.description, "enabled": true, "scopes": a.scopes, "condition": object{"allOf": a.all},
		"actions": object{"actionGroups": []any{object{"actionGroupId": group}}},
	}
}

// template is an ARM template for a deployment at a resource group.
func template(alerts []alert) string {
	resources := []any{}
	for _, a := range alerts {
		resources = append(resources, object{"type": alertType, "apiVersion": alertVersion, "name": a.name, "location": "global",
			"properties": a.properties("[parameters('" + string(actionGroup) + "')]")})
	}
	text, _ := json.MarshalIndent(object{ // texts and lists of them
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"parameters": object{string(actionGroup): object{"type": "string", "metadata": object{"description": actionGroupHelp}}}, "resources": resources,
	}, "", "  ")
	return string(text) + "\n"
}

// bicep is the same in Bicep.
func bicep(alerts []alert) string {
	var b strings.Builder
	fmt.Fprintf(&b, "@description(%s)\nparam %s string\n", remedy.BicepText(actionGroupHelp), actionGroup)
	for _, a := range alerts {
		symbol := strings.ReplaceAll(strings.TrimPrefix(a.name, "aksid-"), "-", "_")
		fmt.Fprintf(&b, "\nresource %s '%s@%s' = ", symbol, alertType, alertVersion)
		bicepValue(&b, object{"name": a.name, "location": "global", "properties": a.properties(actionGroup)}, "")
		b.WriteByte('\n')
	}
	return b.String()
}

func bicepValue(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case object:
		b.WriteString("{\n")
		for _, k := range slices.SortedFunc(maps.Keys(v), bicepOrder) {
			fmt.Fprintf(b, "%s  %s: ", indent, k)
			bicepValue(b, v[k], indent+"  ")
			b.WriteByte('\n')
		}
		b.WriteString(indent + "}")
	case []any:
		bicepList(b, v, indent)
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		bicepList(b, list, indent)
	case parameter:
		b.WriteString(string(v))
	case string:
		b.WriteString(remedy.BicepText(v))
	default:
		fmt.Fprint(b, v)
	}
}

func bicepList(b *strings.Builder, list []any, indent string) {
	b.WriteString("[\n")
	for _, x := range list {
		b.WriteString(indent + "  ")
		bicepValue(b, x, indent+"  ")
		b.WriteByte('\n')
	}
	b.WriteString(indent + "]")
}

// bicepOrder puts names first, as people do.
func bicepOrder(a, b string) int {
	first := func(s string) int { return slices.Index([]string{"properties", "location", "name"}, s) }
	return cmp.Or(first(b)-first(a), strings.Compare(a, b))
}

// script deploys the alerts and, where a workspace is named, routes the logs there.
func script(subs []string) string {
	var b strings.Builder
	b.WriteString(`#!/bin/sh
# Deploys the alerts into the resource group GROUP, which is to be in each of the subscriptions, and has them tell ACTION_GROUP (an id).
# With WORKSPACE (an id) and LOCATION the activity logs go to that Log Analytics workspace, where the queries find them.
set -eu
cd "$(dirname "$0")"
: "${GROUP:?name a resource group}" "${ACTION_GROUP:?give the id of an action group}"
`)
	for _, sub := range subs {
		fmt.Fprintf(&b, `
az deployment group create --subscription %[1]s --resource-group "$GROUP" --name aksid-watch --template-file %[2]s --parameters actionGroup="$ACTION_GROUP" --output none
if [ -n "${WORKSPACE:-}" ]; then
	az monitor diagnostic-settings subscription create --subscription %[1]s --name aksid-watch --location "$LOCATION" --workspace "$WORKSPACE" --logs '[{"category":"Administrative","enabled":true}]' --output none
fi
`, remedy.Quote(sub), remedy.Quote("alerts-"+sub+".json"))
	}
	return b.String()
}
