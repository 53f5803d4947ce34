package estate

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

var eligibleOID = azure.MustGUID("a0000000-0000-0000-0000-0000000000ee")

// addSchedules gives a fake an eligible role, an assignment with an end and one without.
func addSchedules(t *testing.T, f *fake) {
	t.Helper()
	contributor := azure.SubscriptionID(platform).Resource(typeDefinition, "b24988ac-6180-42a0-ab88-20f7382dd24c").String()
	put := func(typ, name, properties string) {
		id := nodeGroupID.Resource(typ, name).String()
		f.docs[strings.ToLower(id)] = doc(t, `{"id": "`+id+`", "properties": {"roleDefinitionId": "`+contributor+`", "scope": "`+nodeGroupID.String()+`", `+properties+`}}`)
	}
	put(typeEligible, "1", `"principalId": "`+eligibleOID.String()+`", "principalType": "User", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2027-01-01T00:00:00Z", "memberType": "Direct"`)
	ofControlPlane := `"principalId": "` + controlPlaneOID.String() + `", "principalType": "ServicePrincipal", "originRoleAssignmentId": "` +
		nodeGroupID.Resource(typeAssignment, "e0000000-0000-0000-0000-000000000001").String() + `"`
	put(typeActive, "2", ofControlPlane+`, "assignmentType": "Assigned", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-12-01T08:00:00Z"`)
	put(typeActive, "3", ofControlPlane+`, "assignmentType": "Assigned", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": null`)
}

// corp is a management group above, in which somebody is eligible too.
var (
	corp     = azure.MustID("/providers/Microsoft.Management/managementGroups/mg-corp")
	aboveOID = azure.MustGUID("a0000000-0000-0000-0000-0000000000ef")
)

// What somebody may take up on a management group reaches the subscriptions below it.
func TestScheduleAbove(t *testing.T) {
	f := freight(t)
	id := corp.Resource(typeEligible, "4").String()
	f.docs[strings.ToLower(id)] = doc(t, `{"id": "`+id+`", "properties": {"roleDefinitionId": "`+azure.SubscriptionID(platform).Resource(typeDefinition, "b24988ac-6180-42a0-ab88-20f7382dd24c").String()+
		`", "scope": "`+corp.String()+`", "principalId": "`+aboveOID.String()+`", "principalType": "User", "memberType": "Inherited"}}`)
	live, again := saved(t, f.live())
	for _, e := range []*Estate{live, again} {
		write := []azure.Action{"Microsoft.ContainerService/managedClusters/write"}
		if s := e.CouldTakeUp(aboveOID, write, clusterID); s == nil || !s.Grant.Scope.Equal(corp) {
			t.Errorf("it cannot be taken up: %+v", e.Schedules())
		}
		if e.CouldTakeUp(aboveOID, []azure.Action{"Microsoft.Authorization/roleAssignments/write"}, clusterID) != nil {
			t.Error("it gives more than its role")
		}
		if e.CouldTakeUp(eligibleOID, write, clusterID) != nil {
			t.Error("somebody else may take it up")
		}
	}
}

func checkSchedules(t *testing.T, e *Estate) {
	t.Helper()
	if n := len(e.Schedules()); n != 2 {
		t.Errorf("%d schedules, want the eligible one and the one that ends", n)
	}
	got := e.EligibleFor(eligibleOID)
	if len(got) != 1 || got[0].Kind != Eligible || !got[0].Grant.Scope.Equal(nodeGroupID) || got[0].Grant.Until.Year() != 2027 {
		t.Errorf("eligible %+v", got)
	}
	if len(e.EligibleFor(controlPlaneOID)) != 0 {
		t.Error("an assignment in force counts as eligible")
	}
	if !e.EligibleKnown(platform) {
		t.Error("what is eligible is not known")
	}
	for _, g := range e.Held(controlPlaneOID) {
		if g.Scope.Equal(nodeGroupID) && !g.Until.Equal(time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)) {
			t.Errorf("the assignment ends %v", g.Until)
		}
	}
	if len(e.Held(eligibleOID)) != 0 {
		t.Error("who is eligible holds the role")
	}
}

func TestSchedules(t *testing.T) {
	f := freight(t)
	addSchedules(t, f)
	live, again := saved(t, f.live())
	checkSchedules(t, live)
	checkSchedules(t, again)
	if len(live.Incomplete) != 0 {
		t.Errorf("incomplete %+v", live.Incomplete)
	}
	if _, known := live.Object(eligibleOID); known != Absent {
		t.Errorf("the directory was not asked for who is eligible: %v", known)
	}
}

// Without PIM nobody is eligible; where it cannot be read that is not known.
func TestSchedulesUnread(t *testing.T) {
	for _, c := range []struct {
		status     int
		code       string
		known      bool
		incomplete int
	}{
		{http.StatusBadRequest, "AadPremiumLicenseRequired", true, 0},
		{http.StatusForbidden, "AuthorizationFailed", false, 4},
	} {
		f := freight(t)
		f.fail = func(r *http.Request) (int, string) {
			if strings.Contains(r.URL.Path, "ScheduleInstances") {
				return c.status, c.code
			}
			return 0, ""
		}
		live, again := saved(t, f.live())
		for _, e := range []*Estate{live, again} {
			if e.EligibleKnown(platform) != c.known || len(e.Incomplete) != c.incomplete {
				t.Errorf("%s: known %v, incomplete %+v", c.code, e.EligibleKnown(platform), e.Incomplete)
			}
		}
		if c.incomplete > 0 && live.Incomplete[0].What != "eligible roles of subscription "+hub {
			t.Errorf("incomplete %+v", live.Incomplete[0])
		}
	}
}

// az rest prints the list with the documents as they are.
func TestSchedulesFromFile(t *testing.T) {
	f := freight(t)
	addSchedules(t, f)
	var text strings.Builder
	for _, d := range f.docs {
		if isSchedule(linkAt(d, "id").Type()) {
			if text.Len() > 0 {
				text.WriteString(",")
			}
			text.WriteString(`{"id": "` + textAt(d, "id") + `", "properties": {"roleDefinitionId": "` + textAt(d, "properties.roleDefinitionId") + `", "principalId": "` + textAt(d, "properties.principalId") + `", "scope": "` + textAt(d, "properties.scope") + `"}}`)
		}
	}
	e := load(t, Files{Path: write(t, "pim.json", `{"value": [`+text.String()+`]}`)})
	if len(e.EligibleFor(eligibleOID)) != 1 || !e.EligibleKnown(platform) || e.EligibleKnown(hub) {
		t.Errorf("schedules %+v", e.Schedules())
	}
}
