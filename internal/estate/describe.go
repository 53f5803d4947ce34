package estate

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Place is how a person calls a scope, seen from a cluster: the name, and where it is as far as that is elsewhere,
// as in "snet-aks (rg-hub, Hub subscription)".
func (e *Estate) Place(id azure.ID, from azure.ID) string {
	switch sub := id.Subscription(); {
	case id.Equal(azure.Root):
		return "the tenant root"
	case strings.EqualFold(id.Type(), azure.TypeManagementGroup):
		return "management group " + id.Name()
	case sub == "":
		return id.String()
	case strings.EqualFold(id.Type(), azure.TypeSubscription):
		return "the " + e.SubscriptionName(sub) + " subscription"
	case strings.EqualFold(id.Type(), azure.TypeResourceGroup):
		return "resource group " + id.Name() + e.elsewhere(sub, from)
	default:
		where := id.ResourceGroup()
		if !strings.EqualFold(sub, from.Subscription()) {
			where += ", " + e.SubscriptionName(sub) + " subscription"
		}
		return fmt.Sprintf("%s (%s)", readable(id.Name()), where)
	}
}

func (e *Estate) elsewhere(sub string, from azure.ID) string {
	if strings.EqualFold(sub, from.Subscription()) {
		return ""
	}
	return " (" + e.SubscriptionName(sub) + " subscription)"
}

// Label is how a person calls an identity's role, as in "control plane" or "add-on omsagent".
func (i Identity) Label() string {
	switch i.Role {
	case AddOn:
		return "add-on " + i.AddOn
	case ControlPlane, ServicePrincipal:
		return strings.ReplaceAll(string(i.Role), "-", " ")
	}
	return string(i.Role)
}

// PrincipalName is how a person calls a principal: its display name, or its id.
func (e *Estate) PrincipalName(p azure.PrincipalID) string {
	if o, known := e.Object(p); known == Known && o.Name != "" {
		return o.Name
	}
	return p.String()
}

// WithPolicy is the estate with another policy: what would be if roles were given or taken.
func (e *Estate) WithPolicy(p *rbac.Policy) *Estate {
	next := *e
	next.Policy = p
	return &next
}
