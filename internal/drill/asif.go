package drill

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// AsIf is a role that is given or taken for as long as a drill lasts.
type AsIf struct {
	Revoke bool
	Role   string // display name, or GUID
	To     string // an identity's name, client id or object id
	At     azure.ID
}

var asIfText = regexp.MustCompile(`^(?i)\s*(?:(grant)\s+(.+?)\s+to|(revoke)\s+(.+?)\s+from)\s+(\S+)\s+at\s+(\S+)\s*$`)

// ParseAsIf reads "grant ROLE to IDENTITY at SCOPE" and "revoke ROLE from IDENTITY at SCOPE".
func ParseAsIf(s string) (AsIf, error) {
	m := asIfText.FindStringSubmatch(s)
	if m == nil {
		return AsIf{}, fmt.Errorf(`%q is neither "grant ROLE to IDENTITY at SCOPE" nor "revoke ROLE from IDENTITY at SCOPE"`, s)
	}
	scope, err := azure.ParseID(m[6])
	if err != nil {
		return AsIf{}, fmt.Errorf("%q: the scope is the id of a subscription, resource group or resource: %w", s, err)
	}
	return AsIf{Revoke: m[3] != "", Role: m[2] + m[4], To: m[5], At: scope}, nil
}

// apply makes the change on the local Azure; before each step it notes what that is.
func (c AsIf) apply(ctx context.Context, o *operator, note func(*entry) error) error {
	to, err := o.principalNamed(ctx, c.To)
	if err != nil {
		return err
	}
	role, err := o.roleNamed(ctx, c.At, c.Role)
	if err != nil {
		return err
	}
	if c.Revoke {
		return c.revoke(ctx, o, to, role, note)
	}
	id := newAssignment(c.At)
	if err := note(&entry{Given: id}); err != nil {
		return err
	}
	if err := o.assignAs(ctx, id, role, to, c.At, nil); !isStatus(err, 409) { // it is there already
		return err
	}
	return nil
}

func (c AsIf) revoke(ctx context.Context, o *operator, from azure.PrincipalID, role azure.GUID, note func(*entry) error) error {
	all, err := o.list(ctx, c.At.Resource("Microsoft.Authorization/roleAssignments"))
	if err != nil {
		return err
	}
	taken := false
	for _, d := range all {
		same := text(d, "properties", "principalId") == from.String() && strings.HasSuffix(strings.ToLower(text(d, "properties", "roleDefinitionId")), role.String())
		if !same || !idOf(text(d, "properties", "scope")).Equal(c.At) {
			continue
		}
		if err := note(&entry{Taken: d}); err != nil {
			return err
		}
		if err := o.remove(ctx, idOf(text(d, "id"))); err != nil {
			return err
		}
		taken = true
	}
	if !taken {
		return fmt.Errorf("%s does not have %s at %s", c.To, c.Role, c.At)
	}
	return nil
}

// principalNamed finds a service principal or managed identity.
func (o *operator) principalNamed(ctx context.Context, name string) (azure.PrincipalID, error) {
	token, err := o.bearer(ctx)
	if err != nil {
		return azure.PrincipalID{}, err
	}
	found, err := o.Principals(ctx, token, name)
	switch {
	case err != nil:
		return azure.PrincipalID{}, err
	case len(found) == 0:
		return azure.PrincipalID{}, fmt.Errorf("there is no identity %s; give a display name, a client id or an object id", name)
	case len(found) > 1:
		return azure.PrincipalID{}, fmt.Errorf("%d identities are called %s; give the object id", len(found), name)
	}
	return found[0].ID, nil
}

// roleNamed finds a role by its GUID or display name, built in or custom.
func (o *operator) roleNamed(ctx context.Context, scope azure.ID, name string) (azure.GUID, error) {
	if id, err := azure.ParseGUID(name); err == nil {
		return id, nil
	}
	if r, ok := rbac.BuiltInRole(name); ok {
		return r.ID, nil
	}
	all, err := o.list(ctx, scope.Resource("Microsoft.Authorization/roleDefinitions"))
	if err != nil {
		return azure.GUID{}, err
	}
	for _, d := range all {
		if strings.EqualFold(text(d, "properties", "roleName"), name) {
			return azure.ParseGUID(text(d, "name"))
		}
	}
	return azure.GUID{}, fmt.Errorf("there is no role %q", name)
}
