package estate

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

var (
	eventsNow  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	givenRole  = subnetID.Resource(typeAssignment, "33333333-0000-0000-0000-000000000001")
	contributr = "4d97b98b-1d4f-4787-a291-c67834d212e7" // Network Contributor
)

// entry is an entry of an activity log as the REST API answers it.
func entry(id string, at time.Time, scope azure.ID, operation, status string, properties map[string]any) map[string]any {
	local := func(s string) map[string]any { return map[string]any{"value": s, "localizedValue": s} }
	return map[string]any{
		"id": scope.String() + "/events/" + id + "/ticks/1", "eventDataId": id, "eventTimestamp": at.Format("2006-01-02T15:04:05.0000000Z"),
		"submissionTimestamp": at.Add(3 * time.Minute).Format(time.RFC3339), "caller": "ada@example.com", "correlationId": "c-" + id[:1],
		"claims":     map[string]any{claimObject: controlPlaneOID.String(), claimApp: "04b07795-8ddb-461a-bbee-02f9e1bf7b46"},
		"resourceId": scope.String(), "operationName": local(operation), "status": local(status), "subStatus": local(""), "properties": properties,
	}
}

func grantBody(upper bool) string {
	if upper {
		return `{"Id":"33333333-0000-0000-0000-000000000001","Properties":{"PrincipalId":"` + kubeletOID.String() + `","PrincipalType":"ServicePrincipal","RoleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/` + contributr + `","Scope":"` + subnetID.String() + `"}}`
	}
	return `{"properties":{"roleDefinitionId":"/subscriptions/` + hub + `/providers/Microsoft.Authorization/roleDefinitions/` + contributr + `","principalId":"` + kubeletOID.String() + `","principalType":"ServicePrincipal","scope":"` + subnetID.String() + `"},"id":"` + givenRole.String() + `"}`
}

// roleLog is a role given, refused and taken away again.
func roleLog() []map[string]any {
	at := eventsNow.Add(-24 * time.Hour)
	return []map[string]any{
		entry("d-end", at.Add(2*time.Hour), givenRole, "Microsoft.Authorization/roleAssignments/delete", "Succeeded", map[string]any{"statusCode": "OK"}),
		entry("b-end", at.Add(time.Hour), givenRole, "Microsoft.Authorization/roleAssignments/write", "Failed", map[string]any{"statusCode": "Forbidden"}),
		entry("a-end", at, givenRole, "Microsoft.Authorization/roleAssignments/write", "Succeeded", map[string]any{"statusCode": "Created", "responseBody": grantBody(false)}),
		entry("a-begin", at, givenRole, "Microsoft.Authorization/roleAssignments/write", "Started", nil),
		entry("r-end", at.Add(-time.Hour), routeTable, "Microsoft.Network/routeTables/write", "Succeeded", map[string]any{"statusCode": "201"}),
	}
}

// checkRoleLog asserts what is told of roleLog, whatever way it came.
func checkRoleLog(t *testing.T, e *Estate) {
	t.Helper()
	var ids []string
	for _, v := range e.Events() {
		ids = append(ids, v.ID)
	}
	if want := []string{"r-end", "a-begin", "a-end", "b-end", "d-end"}; !slices.Equal(ids, want) {
		t.Fatalf("events %v, want %v", ids, want)
	}
	for _, v := range e.Events()[1:] {
		if v.Grant == nil || v.Grant.Principal != kubeletOID || v.Grant.Role.String() != contributr || !v.Grant.Scope.Equal(subnetID) {
			t.Errorf("%s: grant %+v", v.ID, v.Grant)
		}
	}
	first, failed, removed := e.Events()[0], e.Events()[3], e.Events()[4]
	if first.Grant != nil || first.HTTP != http.StatusCreated || first.Caller != "ada@example.com" || first.Principal != controlPlaneOID || first.App.IsZero() || !first.Succeeded() {
		t.Errorf("first event %+v", first)
	}
	if !failed.Failed() || failed.HTTP != http.StatusForbidden || !removed.Removes() || failed.Removes() {
		t.Errorf("failed %+v, removed %+v", failed, removed)
	}
}

// az prints no other names than the REST API; a role assignment's request has members in upper case.
func TestEventsOfFiles(t *testing.T) {
	log := roleLog()
	log[3]["properties"] = map[string]any{"requestbody": grantBody(true)}
	delete(log[2]["properties"].(map[string]any), "responseBody")
	text, err := json.Marshal(log)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := json.Marshal(map[string]any{"value": log[:2]})
	e := load(t, Files{Path: write(t, "log.json", string(text), "again.json", string(wrapped))})
	checkRoleLog(t, e)
	if since, ok := e.LoggedSince(strings.ToUpper(hub)); !ok || !since.Equal(e.Events()[0].Time) {
		t.Errorf("since %v, %v", since, ok)
	}
	if _, ok := e.LoggedSince(platform); ok {
		t.Error("the other subscription's log is said to be known")
	}
}

func TestEventsLive(t *testing.T) {
	f := freight(t)
	f.events = roleLog()
	l := f.live()
	l.History = History{Since: eventsNow.Add(-48 * time.Hour), Now: eventsNow}
	live, again := saved(t, l)
	checkRoleLog(t, live)
	checkRoleLog(t, again)
	for _, e := range []*Estate{live, again} {
		if since, ok := e.LoggedSince(hub); !ok || !since.Equal(l.History.Since) {
			t.Errorf("since %v, %v", since, ok)
		}
		if len(e.Incomplete) != 0 {
			t.Errorf("incomplete %v", e.Incomplete)
		}
	}
	l.History.Providers = []string{"Microsoft.Authorization", "Microsoft.ManagedIdentity"}
	if e := load(t, l); len(e.Events()) != 4 {
		t.Errorf("%d events of two providers", len(e.Events()))
	}
}

// Azure refuses to go back further than 90 days, so it is not asked; what then is missing is told.
func TestEventsTooOld(t *testing.T) {
	f := freight(t)
	f.events = roleLog()
	l := f.live()
	l.History = History{Since: eventsNow.Add(-100 * 24 * time.Hour), Now: eventsNow}
	e := load(t, l)
	checkRoleLog(t, e)
	if since, _ := e.LoggedSince(hub); !since.Equal(eventsNow.Add(-LogKept)) {
		t.Errorf("known since %v", since)
	}
	if len(e.Incomplete) == 0 || !strings.Contains(e.Incomplete[0].What, "before 2026-03-03") {
		t.Errorf("incomplete %v", e.Incomplete)
	}
}

// A window of a log comes in pages, each once and in order, also where Azure is busy in between.
func TestEventsBetween(t *testing.T) {
	f := freight(t)
	f.events = roleLog()
	busy := map[string]int{}
	f.fail = func(r *http.Request) (int, string) {
		if busy[r.URL.RawQuery]++; len(busy) == 2 && busy[r.URL.RawQuery] == 1 { // the second page
			return http.StatusTooManyRequests, "TooManyRequests"
		}
		return 0, ""
	}
	l := f.live()
	all, malformed, err := l.EventsBetween(t.Context(), hub, eventsNow.Add(-24*time.Hour), time.Time{})
	if err != nil || malformed != 0 || len(all) < 2 || !slices.IsSortedFunc(all, func(a, b *Event) int { return a.Time.Compare(b.Time) }) {
		t.Fatalf("%d events, %d malformed, %v", len(all), malformed, err)
	}
	if pages := len(busy); pages != len(all) {
		t.Errorf("%d pages of %d events", pages, len(all))
	}
	some, _, err := l.EventsBetween(t.Context(), hub, eventsNow.Add(-24*time.Hour), all[0].Time)
	if err != nil || len(some) == 0 || len(some) == len(all) || some[0].ID != all[0].ID {
		t.Errorf("up to the first: %d of %d, %v", len(some), len(all), err)
	}
	if _, _, err := l.EventsBetween(t.Context(), hub, eventsNow.Add(-LogKept-time.Hour), time.Time{}); err == nil {
		t.Error("what Azure no longer has was answered")
	}
}

func TestEventsRefused(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.Path, "eventtypes") {
			return http.StatusForbidden, "AuthorizationFailed"
		}
		return 0, ""
	}
	l := f.live()
	l.History = History{Since: eventsNow.Add(-time.Hour), Now: eventsNow}
	e := load(t, l)
	if _, ok := e.LoggedSince(hub); ok || len(e.Incomplete) == 0 || !strings.Contains(e.Incomplete[0].Right, activityRight) {
		t.Errorf("known: %v, incomplete %v", ok, e.Incomplete)
	}
}

// An entry that lacks what makes it one is counted and said, not believed; a body that is none is passed over.
func TestEventsMalformed(t *testing.T) {
	good := roleLog()[2]
	var bad []map[string]any
	for _, drop := range []string{"resourceId", "eventDataId"} {
		e := maps.Clone(good)
		delete(e, drop)
		delete(e, "id")
		bad = append(bad, e)
	}
	e := maps.Clone(good)
	e["eventTimestamp"] = "yesterday"
	bad = append(bad, e)
	odd := entry("o-end", eventsNow, givenRole, "Microsoft.Authorization/roleAssignments/write", "Succeeded", map[string]any{"responseBody": strings.Repeat("[", 200), "statusCode": "999"})
	odd["resourceId"] = platformScope
	text, _ := json.Marshal(append(bad, odd))
	got := load(t, Files{Path: write(t, "log.json", string(text))})
	if len(got.Events()) != 1 || got.Events()[0].Grant != nil || got.Events()[0].HTTP != 0 {
		t.Errorf("events %+v", got.Events())
	}
	if !slices.ContainsFunc(got.Incomplete, func(i Incomplete) bool { return i.What == "3 entries of the activity log" }) {
		t.Errorf("incomplete %v", got.Incomplete)
	}
}

const platformScope = "/subscriptions/" + platform

func FuzzEvent(f *testing.F) {
	for _, e := range roleLog() {
		text, _ := json.Marshal(e)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeText([]byte(text))
		if err != nil {
			return
		}
		b := newBuilder("fuzz")
		v1, ok := b.addEvent(mapAt(v, ""))
		e := b.build()
		if ok != (len(e.Events()) == 1) || ok && (v1.ID == "" || v1.Time.IsZero() || v1.HTTP < 0 || v1.HTTP > 599) {
			t.Errorf("%v: %+v", ok, v1)
		}
	})
}
