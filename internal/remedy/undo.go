package remedy

import (
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// undo are the commands that put things back as they are now. What a cluster and its nodes went through cannot be undone.
func (p *Plan) undo(c estate.Change) []string {
	switch c := c.(type) {
	case estate.DefineRole:
		return []string{az("role", "definition", "delete", "--name", c.Name, "--scope", c.Scope.String())}
	case estate.Assign:
		return []string{az("role", "assignment", "delete", "--assignee", principalWord(p.e, c.Principal), "--role", c.Role, "--scope", scopeWord(c.Scope))}
	case estate.Permit:
		if before := p.e.KeyPermissions(c.Vault, c.Principal); len(before) > 0 {
			return AzIn(p.e, estate.Permit{Vault: c.Vault, Principal: c.Principal, Keys: before})
		}
		return []string{az("keyvault", "delete-policy", "--name", c.Vault.Name(), "--subscription", c.Vault.Subscription(), "--object-id", c.Principal.String())}
	case estate.Unassign:
		return p.reassign(c.ID)
	case estate.Unlock:
		return p.relock(c.ID)
	case estate.Defederate:
		return p.refederate(c.ID)
	case estate.Federate:
		return AzIn(p.e, estate.Defederate{ID: c.Identity.Join("federatedIdentityCredentials", c.Name)})
	}
	return nil
}

func (p *Plan) reassign(id azure.ID) []string {
	g := p.grant(id)
	if g == nil {
		return nil
	}
	kind := g.PrincipalType
	if kind == "" {
		kind = "ServicePrincipal"
	}
	args := []string{"role", "assignment", "create", "--assignee-object-id", g.Principal.String(), "--assignee-principal-type", kind,
		"--role", p.e.RoleName(g.Role), "--scope", g.Scope.String()}
	if g.Condition != "" {
		args = append(args, "--condition-version", "2.0", "--condition", g.Condition)
	}
	return []string{az(args...)}
}

func (p *Plan) relock(id azure.ID) []string {
	for _, l := range p.e.Locks() {
		if !l.ID.Equal(id) {
			continue
		}
		kind := "CanNotDelete"
		if l.ReadOnly {
			kind = "ReadOnly"
		}
		args := []string{"lock", "create", "--name", id.Name(), "--lock-type", kind}
		switch {
		case strings.EqualFold(l.Scope.Type(), azure.TypeSubscription):
			args = append(args, "--subscription", l.Scope.Subscription())
		case strings.EqualFold(l.Scope.Type(), azure.TypeResourceGroup):
			args = append(args, "--resource-group", l.Scope.Name(), "--subscription", l.Scope.Subscription())
		default:
			args = append(args, "--resource", l.Scope.String())
		}
		return []string{az(args...)}
	}
	return nil
}

func (p *Plan) refederate(id azure.ID) []string {
	for _, c := range p.e.FederatedCredentials(id.Parent()) {
		if c.ID.Equal(id) {
			return []string{federate(estate.Federate{Identity: id.Parent(), Name: id.Name(), Issuer: c.Issuer, Subject: c.Subject})}
		}
	}
	return nil
}
