package provider

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// Limits of Azure RBAC (azure-facts 3.6; Microsoft Learn: Azure RBAC limits, custom roles). Texts are counted in bytes.
const (
	maxAssignments      = 4000 // in a subscription
	maxGroupAssignments = 500  // on a management group
	maxCustomRoles      = 5000 // in the tenant
	maxAssignableScopes = 2000 // of a custom role
	maxRoleName         = 512
	maxDescription      = 2 << 10
)

// unseen is how many writes may share a commit with a call: the policy does not have them yet (store: maxGroup).
const unseen = 256

// full reports whether there are most of something. About is how many there were after the last commit, which is cheap
// to know; near the limit the documents themselves are counted, with those of calls that share this one's commit.
func full(about, most int, all iter.Seq2[arm.Doc, error]) (bool, error) {
	if about < most-unseen {
		return false, nil
	}
	n := 0
	for _, err := range all {
		if n++; err != nil || n == most {
			return err == nil, err
		}
	}
	return false, nil
}

// checkLimit refuses one more role assignment where there are as many as can be.
func checkLimit(c *arm.Call, scope azure.ID) *azure.Error {
	if c.Old != nil || scope == azure.Root {
		return nil
	}
	counts, most, all := scope.Equal, maxGroupAssignments, c.At(scope, typeRoleAssignment)
	if sub := scope.Subscription(); sub != "" {
		id := azure.SubscriptionID(sub)
		counts, most, all = id.Contains, maxAssignments, c.Extensions(id, typeRoleAssignment)
	}
	about := 0
	for g := range c.Policy().Grants() {
		if counts(g.Scope) {
			about++
		}
	}
	switch is, err := full(about, most, all); {
	case err != nil:
		return arm.Fault(err)
	case is:
		return azure.RoleAssignmentLimitExceeded.Error()
	}
	return nil
}

// checkRoleLimit refuses one more custom role where there are as many as can be.
func checkRoleLimit(c *arm.Call) *azure.Error {
	if c.Old != nil {
		return nil
	}
	about := 0
	for r := range c.Policy().Roles() {
		if !r.BuiltIn {
			about++
		}
	}
	switch is, err := full(about, maxCustomRoles, c.Find(customRoles)); {
	case err != nil:
		return arm.Fault(err)
	case is:
		return azure.RoleDefinitionLimitExceeded.Error()
	}
	return nil
}

func checkDescription(props arm.Doc) *azure.Error {
	if len(arm.Str(props, "description")) > maxDescription {
		return azure.DescriptionTooLong.Error()
	}
	return nil
}

// checkScopesLimit refuses a role that can be assigned in too many places, or below more than one management group.
func checkScopesLimit(scopes []azure.ID) *azure.Error {
	groups := slices.DeleteFunc(slices.Clone(scopes), func(s azure.ID) bool { return !strings.EqualFold(s.Type(), azure.TypeManagementGroup) })
	if len(groups) > 1 || len(scopes) > maxAssignableScopes {
		return azure.TooManyAssignableScopes.Error()
	}
	return nil
}
