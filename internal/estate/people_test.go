package estate

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
)

var (
	annOID    = azure.MustGUID("a0000000-0000-0000-0000-0000000000a1")
	bobOID    = azure.MustGUID("a0000000-0000-0000-0000-0000000000b1")
	innerOID  = azure.MustGUID("a0000000-0000-0000-0000-0000000000a2")
	deployOID = azure.MustGUID("a0000000-0000-0000-0000-0000000000d1")
)

// addPeople gives a fake a group in a group, and a service principal whose application somebody owns.
func addPeople(t *testing.T, f *fake) {
	t.Helper()
	object := func(id azure.GUID, kind, more string) {
		f.objects = append(f.objects, doc(t, `{"@odata.type": "#microsoft.graph.`+kind+`", "id": "`+id.String()+`", "displayName": "`+kind+`"`+more+`}`))
	}
	const app = "c0000000-0000-0000-0000-0000000000d1"
	object(annOID, "user", "")
	object(bobOID, "user", "")
	object(innerOID, "group", "")
	object(deployOID, "servicePrincipal", `, "appId": "`+app+`"`)
	object(controlPlaneOID, "servicePrincipal", `, "alternativeNames": ["isExplicit=True", "`+nodeGroupID.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id1").String()+`"]`)
	for i, holder := range []azure.GUID{groupOID, deployOID} {
		id := nodeGroupID.Resource(typeAssignment, azure.MustGUID("e0000000-0000-0000-0000-0000000000f"+string(rune('0'+i))).String()).String()
		f.docs[strings.ToLower(id)] = doc(t, `{"id": "`+id+`", "properties": {"principalId": "`+holder.String()+`", "principalType": "", "scope": "`+nodeGroupID.String()+
			`", "roleDefinitionId": "`+azure.SubscriptionID(platform).Resource(typeDefinition, "b24988ac-6180-42a0-ab88-20f7382dd24c").String()+`"}}`)
	}
	f.objects = slices.DeleteFunc(f.objects, func(o map[string]any) bool { return textAt(o, "id") == groupOID.String() })
	object(groupOID, "group", "")
	f.related = map[string][]string{
		"groups/" + groupOID.String() + "/members":            {innerOID.String(), bobOID.String()},
		"groups/" + groupOID.String() + "/owners":             {},
		"groups/" + innerOID.String() + "/members":            {annOID.String(), groupOID.String()},
		"groups/" + innerOID.String() + "/owners":             {bobOID.String()},
		"servicePrincipals/" + deployOID.String() + "/owners": {annOID.String()},
		"applications(appId='" + app + "')/owners":            {annOID.String(), bobOID.String()},
	}
}

func TestPeople(t *testing.T) {
	f := freight(t)
	addPeople(t, f)
	l := f.live()
	l.People = true
	live, again := saved(t, l)
	for _, e := range []*Estate{live, again} {
		for _, c := range []struct {
			what  string
			of    func(azure.PrincipalID) ([]azure.PrincipalID, bool)
			p     azure.PrincipalID
			want  []azure.PrincipalID
			known bool
		}{
			{"members", e.Members, groupOID, []azure.PrincipalID{innerOID, bobOID}, true},
			{"owners", e.Owners, groupOID, nil, true},
			{"members", e.Members, innerOID, []azure.PrincipalID{annOID, groupOID}, true},
			{"owners", e.Owners, innerOID, []azure.PrincipalID{bobOID}, true},
			{"owners", e.Owners, deployOID, []azure.PrincipalID{annOID, bobOID}, true},
			{"owners", e.Owners, controlPlaneOID, nil, false},
		} {
			slices.SortFunc(c.want, azure.GUID.Compare)
			if got, known := c.of(c.p); !slices.Equal(got, c.want) || known != c.known {
				t.Errorf("%s of %s: %v %v, want %v %v", c.what, c.p, got, known, c.want, c.known)
			}
		}
		if o, _ := e.Object(controlPlaneOID); o.Managed.Name() != "id1" {
			t.Errorf("the control plane's identity is %v", o.Managed)
		}
		if groups := e.Policy.GroupsOf(annOID); !slices.Contains(groups, groupOID) {
			t.Errorf("groups of a group's group's member: %v", groups)
		}
	}
}

// Who may not read the directory does not know who is in its groups.
func TestUnreadablePeople(t *testing.T) {
	f := freight(t)
	addPeople(t, f)
	f.fail = func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/owners") {
			return http.StatusForbidden, "Authorization_RequestDenied"
		}
		return 0, ""
	}
	l := f.live()
	l.People = true
	e := load(t, l)
	if _, known := e.Owners(deployOID); known {
		t.Error("owners are known although they could not be read")
	}
	if members, known := e.Members(groupOID); known || len(members) != 2 {
		t.Errorf("members %v, all known: %v", members, known)
	}
	var what []string
	for _, i := range e.Incomplete {
		what = append(what, i.What)
	}
	if len(what) != 3 {
		t.Errorf("incomplete: %q", what)
	}
}
