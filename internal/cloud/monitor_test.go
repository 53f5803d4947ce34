package cloud_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestActivityQueries routes the activity log to a workspace and asks it in KQL.
func TestActivityQueries(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	ws := rg + "/providers/Microsoft.OperationalInsights/workspaces/ws1"
	op.put(ws, obj{"location": "westeurope"}).ok(201)
	before := rg + "/providers/Microsoft.Network/routeTables/before"
	op.put(before, obj{"location": "westeurope"}).ok(201)
	w.clock.Add(time.Minute)
	setting := w.platform + "/providers/Microsoft.Insights/diagnosticSettings/d1"
	op.put(setting, obj{"properties": obj{}}).refused(400, "BadRequest")
	op.put(setting, obj{"properties": obj{"workspaceId": ws, "logs": []obj{{"category": "Administrative", "enabled": true}}}}).ok(200)
	w.clock.Add(time.Minute)
	nobody := w.application("nobody")
	nobody.put(rg+"/providers/Microsoft.Network/routeTables/r1", obj{"location": "westeurope"}).ok(403)
	op.put(rg+"/providers/Microsoft.Network/routeTables/r2", obj{"location": "westeurope"}).ok(201)
	ask := func(u *user, query string) reply {
		return u.do("POST", ws+"/query?api-version=2017-01-01-preview", obj{"query": query})
	}
	rows := func(query string) string {
		b, _ := json.Marshal(ask(op, query).ok(200).at("tables.0.rows"))
		return string(b)
	}
	if got := rows(`AzureActivity | where OperationNameValue == "MICROSOFT.NETWORK/ROUTETABLES/WRITE" | summarize n=count() by ActivityStatusValue | order by ActivityStatusValue asc`); got != `[["Failure",1],["Start",2],["Success",1]]` {
		t.Errorf("the writes since the log is routed are %s", got)
	}
	if got := rows(`AzureActivity | where ActivityStatusValue == "Failure" and OperationNameValue has "ROUTETABLES" and TimeGenerated > ago(1h) | project Caller, a = tostring(Authorization_d.action)`); got != `[["`+nobody.id+`","Microsoft.Network/routeTables/write"]]` {
		t.Errorf("who was refused: %s", got)
	}
	ask(op, "AzureActivity | fly").refused(400, "BadRequest")
	ask(nobody, "AzureActivity").refused(403, "AuthorizationFailed", "'Microsoft.OperationalInsights/workspaces/query/read'")
	if got := ask(op, "AzureActivity | count"); got.status != 200 {
		t.Error(got.raw)
	}
	op.do("POST", ws+"/query?api-version=2017-01-01-preview", obj{"query": "AzureActivity", "timespan": "soon"}).refused(400, "BadRequest")
}

// TestActivityPairs is what the log says of a call: that it began and how it ended; of a long operation also when.
func TestActivityPairs(t *testing.T) {
	w := newWorld(t)
	w.clock.Run() // the log is in the order of time
	op, rg := w.operator, w.group(w.platform, "rg1")
	nobody := w.application("nobody")
	rt, aks := rg+"/providers/Microsoft.Network/routeTables/r1", rg+"/providers/Microsoft.ContainerService/managedClusters/c1"
	nobody.put(rt, obj{"location": "westeurope"}).ok(403)
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	given := w.grant(nobody.id, "Reader", rt)
	op.run("PUT", aks, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"dnsPrefix": "c", "agentPoolProfiles": []obj{pool(nil)}}}).ok(200)
	for _, c := range []struct{ name, resource, caller, want string }{
		{"refused", rt, nobody.id, "EndRequest Failed Forbidden Error, BeginRequest Started  Informational"},
		{"written", rt, op.id, "EndRequest Succeeded Created Informational, BeginRequest Started  Informational"},
		{"long", aks, op.id, "EndRequest Succeeded OK Informational, EndRequest Accepted Created Informational, BeginRequest Started  Informational"},
		{"role", given, op.id, "EndRequest Succeeded Created Informational, BeginRequest Started  Informational"},
	} {
		events := op.events(w.platform, "resourceUri eq '"+c.resource+"' and caller eq '"+c.caller+"'")
		var got, ids []string
		for i, name := range events.list("eventName.value") {
			got = append(got, strings.Join([]string{name, events.list("status.value")[i], events.list("subStatus.value")[i], events.list("level")[i]}, " "))
			ids = append(ids, events.list("eventDataId")[i])
			if id := events.list("id")[i]; !strings.Contains(id, "/events/"+ids[i]+"/ticks/") {
				t.Errorf("%s: event %s has id %s", c.name, ids[i], id)
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: the log says %s, want %s", c.name, s, c.want)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != len(got) || len(slices.Compact(events.list("correlationId"))) != 1 {
			t.Errorf("%s: events are told apart by id and held together by correlation: %s", c.name, events.raw)
		}
	}
	events := op.events(w.platform, "resourceUri eq '"+given+"'")
	if sent, kept := events.str("value.1.properties.requestbody"), events.str("value.0.properties.responseBody"); !strings.Contains(sent, nobody.id) || !strings.Contains(kept, `"principalType":"ServicePrincipal"`) {
		t.Errorf("what was assigned is not in the log: %s", events.raw)
	}
	if all := op.events(w.platform, "resourceUri eq '"+aks+"'").raw; strings.Contains(all, "requestbody") || strings.Contains(all, "responseBody") {
		t.Errorf("bodies of others than role assignments are in the log: %s", all)
	}
}

// TestAlerts tells a webhook when a high-scope role is given, at least once although the webhook is down at first.
func TestAlerts(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	told := make(chan map[string]any, 10)
	var down atomic.Bool
	down.Store(true)
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if down.Swap(false) {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var body map[string]any
		b, _ := io.ReadAll(r.Body)
		if json.Unmarshal(b, &body) == nil {
			told <- body
		}
	}))
	defer hook.Close()
	group := rg + "/providers/Microsoft.Insights/actionGroups/ag"
	op.put(group, obj{"location": "westeurope", "properties": obj{"webhookReceivers": []obj{{"name": "h", "serviceUri": "http://example.com/"}}}}).refused(400, "BadRequest")
	op.put(group, obj{"location": "westeurope", "properties": obj{"groupShortName": "ag", "webhookReceivers": []obj{{"name": "h", "serviceUri": hook.URL}}}}).ok(201)
	alert := rg + "/providers/Microsoft.Insights/activityLogAlerts/roles"
	_, earlier, _ := w.identity(rg, "id0")
	w.grant(earlier, "Contributor", w.platform) // nobody wants to know of it yet
	w.clock.Add(time.Second)
	op.put(alert, obj{"location": "westeurope", "properties": obj{}}).refused(400, "BadRequest")
	op.put(alert, obj{"location": "westeurope", "properties": obj{"scopes": []string{w.platform}, "actions": obj{"actionGroups": []obj{{"actionGroupId": group}}},
		"condition": obj{"allOf": []obj{{"field": "category", "equals": "Administrative"}, {"field": "operationName", "equals": "Microsoft.Authorization/roleAssignments/write"},
			{"field": "status", "containsAny": []string{"Succeeded"}}}}}}).ok(201)
	w.clock.Add(time.Second)
	_, principal, _ := w.identity(rg, "id1")
	w.grant(principal, "Contributor", w.platform)
	select {
	case body := <-told:
		r := reply{w: w, body: body}
		if r.str("data.context.activityLog.operationName.value") != "Microsoft.Authorization/roleAssignments/write" || r.str("data.context.activityLog.caller") != op.id {
			t.Errorf("told %v", body)
		}
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	w.grant(principal, "Reader", w.hub)
	op.put(rg+"/providers/Microsoft.Network/routeTables/r", obj{"location": "westeurope"}).ok(201)
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 0 {
		t.Errorf("told of what no alert is for: %v", <-told)
	}
}
