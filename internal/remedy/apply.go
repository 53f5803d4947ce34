package remedy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Azure is what a plan is carried out on.
type Azure interface {
	Put(ctx context.Context, id azure.ID, body any) error
	Delete(ctx context.Context, id azure.ID) error
}

// Guard looks after a plan while it is carried out. What it returns as an error is a surprise, and ends the work.
type Guard interface {
	// Before is asked before a right is taken away: whether what replaces it counts, so that nothing is lost.
	Before(context.Context, Step) error
	// After waits until a step counts, and says what it has seen.
	After(context.Context, Step) (seen string, err error)
}

// Done is a step that was carried out.
type Done struct {
	Step
	Seen string // that it counts
}

// writeWithin bounds a write that the user no longer waits for: it is let through to its end, so that nothing is half done.
const writeWithin = time.Minute

// Apply carries out the steps that no person has to, in order, until the first surprise or until the context ends.
// tell is called after each. What was done it returns either way.
func (p Plan) Apply(ctx context.Context, on Azure, g Guard, tell func(Done)) (done []Done, err error) {
	for _, s := range p.Steps {
		if s.ByHand != "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if s.Kind == Withdraw {
			if err := g.Before(ctx, s); err != nil {
				return done, err
			}
		}
		if err := p.carryOut(ctx, on, s); err != nil {
			return done, err
		}
		d := Done{Step: s}
		d.Seen, err = g.After(ctx, s)
		done = append(done, d)
		if err != nil {
			return done, err
		}
		tell(d)
	}
	return done, nil
}

func (p Plan) carryOut(ctx context.Context, on Azure, s Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWithin)
	defer cancel()
	if w := p.write(s.Change); !w.id.IsZero() {
		return on.Put(ctx, w.id, w.body)
	}
	if c, ok := s.Change.(estate.Unassign); ok {
		return on.Delete(ctx, c.ID)
	}
	return fmt.Errorf("%w: %s", errNoCall, s.What)
}

// errNoCall says that a step is not a call; such steps are for a person.
var errNoCall = errors.New("no call carries this out")

// write is what is put for a change; without an id nothing is.
type write struct {
	id   azure.ID
	body map[string]any
}

type object = map[string]any

// Types of authorization documents.
const (
	typeAssignment = "Microsoft.Authorization/roleAssignments"
	typeDefinition = "Microsoft.Authorization/roleDefinitions"
)

func (p Plan) write(c estate.Change) write {
	switch c := c.(type) {
	case estate.Assign:
		role, ok := p.Role(c.Role)
		if !ok {
			return write{}
		}
		return write{canonical(c.Scope).Resource(typeAssignment, AssignmentName(c, role).String()), object{"properties": object{
			"roleDefinitionId": definitionID(c.Scope, role).String(), "principalId": c.Principal.String(), "principalType": c.PrincipalType,
		}}}
	case estate.DefineRole:
		return write{c.Scope.Resource(typeDefinition, c.ID.String()), object{"properties": roleProperties(c)}}
	case estate.Federate:
		return write{c.Identity.Join("federatedIdentityCredentials", c.Name), object{"properties": object{
			"issuer": c.Issuer, "subject": c.Subject, "audiences": []any{estate.TokenAudience},
		}}}
	case estate.Permit:
		tenant, _ := p.e.Resource(c.Vault)
		return write{c.Vault.Join("accessPolicies", "add"), object{"properties": object{"accessPolicies": []any{object{
			"tenantId": tenant.Text("properties.tenantId"), "objectId": c.Principal.String(), "permissions": object{"keys": c.Keys},
		}}}}}
	}
	return write{}
}

// definitionID is a role definition's id as an assignment at a scope names it.
func definitionID(scope azure.ID, role azure.GUID) azure.ID {
	at := azure.Root
	if sub := scope.Subscription(); sub != "" {
		at = azure.SubscriptionID(sub)
	}
	return at.Resource(typeDefinition, role.String())
}

func roleProperties(c estate.DefineRole) object {
	return object{
		"roleName": c.Name, "description": c.Description, "type": "CustomRole", "assignableScopes": []any{c.Scope.String()},
		"permissions": []any{object{"actions": texts(c.Actions), "notActions": []any{}, "dataActions": texts(c.DataActions), "notDataActions": []any{}}},
	}
}

func texts(actions []azure.Action) []any {
	out := []any{}
	for _, a := range actions {
		out = append(out, string(a))
	}
	return out
}
