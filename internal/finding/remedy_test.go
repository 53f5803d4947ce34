package finding

import (
	"path/filepath"
	"slices"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// everyEstate runs a test on the estates of all fixtures, the quiet twins included.
func everyEstate(t *testing.T, f func(t *testing.T, name string, e *estate.Estate)) {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, p := range paths {
		for _, quiet := range []bool{false, true} {
			f(t, filepath.Base(p), readFixture(t, p).load(t, quiet))
		}
	}
}

// The role that each need names covers it, and every requirement is needed by some fixture.
func TestRolesCoverNeeds(t *testing.T) {
	needed := map[*catalogue.Requirement]bool{}
	everyEstate(t, func(t *testing.T, name string, e *estate.Estate) {
		for _, a := range Assess(e, e.Clusters[0]) {
			needed[a.Requirement] = true
			for need := &a.Need; need != nil; need = need.Or {
				role, ok := rbac.BuiltInRole(need.Role)
				if !ok {
					t.Errorf("%s: %q is no built-in role", a.Requirement.ID, need.Role)
					continue
				}
				for _, action := range need.Actions {
					if !role.Grants(action, false) {
						t.Errorf("%s: %s does not grant %s", a.Requirement.ID, need.Role, action)
					}
				}
				for _, action := range need.DataActions {
					if !role.Grants(action, true) {
						t.Errorf("%s: %s does not grant data action %s", a.Requirement.ID, need.Role, action)
					}
				}
			}
		}
	})
	for _, r := range catalogue.All() {
		if !needed[r] {
			t.Errorf("no fixture needs %s", r.ID)
		}
	}
}

// After its remedy a need that was missing is met, and none that was met is lost.
func TestRemediesMend(t *testing.T) {
	everyEstate(t, func(t *testing.T, name string, e *estate.Estate) {
		before := Check(e, e.Clusters[0])
		after := e.WithPolicy(e.Policy.With(asPolicy(t, e, before.Findings)...))
		for _, a := range before.Assessments {
			now := AssessNeed(after, a.Requirement, a.Need, a.Identity)
			if a.Status == Missing && now.Status != Granted || a.Status == Granted && now.Status != Granted {
				t.Errorf("%s: %s on %s was %s and is %s after all remedies", name, a.Requirement.ID, contract(a.Need.Scope.String()), a.Status, now.Status)
			}
		}
	})
}

// asPolicy is what the remedies of findings change in a policy.
func asPolicy(t *testing.T, e *estate.Estate, fs []Finding) []rbac.Change {
	t.Helper()
	var out []rbac.Change
	custom := map[string]azure.GUID{}
	for _, f := range fs {
		for _, c := range f.Remedy {
			switch c := c.(type) {
			case estate.DefineRole:
				custom[c.Name] = c.ID
				out = append(out, rbac.PutRole(rbac.Role{ID: c.ID, Name: c.Name, Permissions: []rbac.Permission{{Actions: texts(c.Actions), DataActions: texts(c.DataActions)}}}))
			case estate.Unassign:
				out = append(out, rbac.RemoveGrant(c.ID))
			case estate.Assign:
				if id, ok := custom[c.Role]; ok {
					out = append(out, rbac.AddGrant(rbac.Grant{ID: c.Scope.Resource(typeAssignment, azure.NewGUID().String()), Role: id, Principal: c.Principal, Scope: c.Scope}))
					continue
				}
				role, ok := rbac.BuiltInRole(c.Role)
				if !ok {
					t.Fatalf("%q is no built-in role", c.Role)
				}
				id := c.Scope.Resource(typeAssignment, azure.NewGUID().String())
				out = append(out, rbac.PutRole(*role), rbac.AddGrant(rbac.Grant{ID: id, Role: role.ID, Principal: c.Principal, Scope: c.Scope}))
			}
		}
	}
	return out
}

func texts(actions []azure.Action) []string {
	var out []string
	for _, a := range actions {
		out = append(out, string(a))
	}
	return out
}

// Removals come after the grants that take their place.
func TestRemediesAreInOrder(t *testing.T) {
	everyEstate(t, func(t *testing.T, name string, e *estate.Estate) {
		for _, f := range Check(e, e.Clusters[0]).Findings {
			_, removes := lastAssign(f.Remedy)
			if i, _ := lastAssign(f.Remedy); removes >= 0 && i > removes {
				t.Errorf("%s: %s takes away before it gives", name, f.Rule.ID)
			}
		}
	})
}

// lastAssign are the places of the last grant and of the first removal; -1 without one.
func lastAssign(cs []estate.Change) (assign, unassign int) {
	assign, unassign = -1, slices.IndexFunc(cs, func(c estate.Change) bool { _, ok := c.(estate.Unassign); return ok })
	for i, c := range cs {
		if _, ok := c.(estate.Assign); ok {
			assign = i
		}
	}
	return assign, unassign
}

// No cause is told twice: findings of one cluster differ in rule, principal or scope.
func TestNoFindingTwice(t *testing.T) {
	everyEstate(t, func(t *testing.T, name string, e *estate.Estate) {
		seen := map[string]bool{}
		for _, f := range Check(e, e.Clusters[0]).Findings {
			key := f.Rule.ID + f.Title + f.Principal.String() + f.Scope.Key()
			if seen[key] {
				t.Errorf("%s: %s twice", name, f.Rule.ID)
			}
			seen[key] = true
		}
	})
}
