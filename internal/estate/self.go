package estate

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/policy"
	"aksid/internal/rbac"
)

// Reading is something that Load reads.
type Reading struct {
	What    string       `json:"what"`
	Action  azure.Action `json:"action,omitempty"`  // "" for the directory
	Without string       `json:"without,omitempty"` // what is not told without it
	Vital   bool         `json:"vital"`             // there is no answer without it
}

// Readings are what Load reads, and what it takes (docs/reading.md has them for people).
var Readings = []Reading{
	{"clusters", TypeCluster + "/read", "no answer", true},
	{"role assignments at, above and below a subscription", typeAssignment + "/read", "what may be done there is unknown, never \"missing\"", true},
	{"role definitions", typeDefinition + "/read", "as above: built-in roles are read as well, not assumed", true},
	{"deny assignments", typeDeny + "/read", "as above", true},
	{"roles that somebody may take up, or has for a time", typeEligible + "/read", "who could take up a role, and when roles end, is unknown", false},
	{"what Azure Policy assigns to a subscription, and what that says", policy.TypeAssignment + "/read", "policies that deny are not found", false},
	{"locks", typeLock + "/read", "locks are not found", false},
	{"subnets", TypeSubnet + "/read", "what hangs on them, as their route tables, is unknown", false},
	{"user-assigned identities", TypeIdentity + "/read", "identities that were made anew are not found", false},
	{"federated credentials of the clusters' identities", TypeFederatedCredential + "/read", "they are not found", false},
	{"registries", TypeRegistry + "/read", "their permission mode is unknown", false},
	{"scale sets of the node resource groups", TypeScaleSet + "/read", "detached identities are not found", false},
	{"key vaults", TypeVault + "/read", "whether a vault grants by roles or by access policies is unknown", false},
	{"what is in subscriptions and resource groups that identities have roles on", "Microsoft.Resources/subscriptions/resources/read", "how many other resources they reach is not told", false},
	{"names in the directory", "", "ids instead of names; orphaned assignments are not found; the object id of a service principal is unknown", false},
}

// Right is a reading with whether the caller may do it.
type Right struct {
	Reading
	Scope azure.ID `json:"scope,omitzero"` // zero: the directory
	Held  bool     `json:"held"`
}

// Self asks what the caller may read, in the source's subscriptions and in the directory.
func (l Live) Self(ctx context.Context) ([]Right, error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	w := &walk{builder: newBuilder(l.From), Live: l, client: c, seen: map[string]bool{}}
	return w.self(ctx)
}

func (w *walk) self(ctx context.Context) ([]Right, error) {
	if err := w.allSubscriptions(ctx); err != nil {
		return nil, err
	}
	c := w.client
	var out []Right
	for _, s := range w.Subscriptions {
		scope := azure.SubscriptionID(s.ID)
		held, err := c.permissions(ctx, scope)
		if err != nil {
			return nil, err
		}
		for _, r := range Readings {
			if r.Action != "" {
				out = append(out, Right{r, scope, held.Grants(r.Action, false)})
			}
		}
	}
	held, err := c.readsDirectory(ctx)
	i := slices.IndexFunc(Readings, func(r Reading) bool { return r.Action == "" })
	return append(out, Right{Reading: Readings[i], Held: held}), err
}

// permissions are what the caller may do at a scope. Who may do nothing may not ask either.
func (c *client) permissions(ctx context.Context, scope azure.ID) (*rbac.Role, error) {
	docs, _, err := c.list(ctx, scope, typePermissions, "")
	if isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusNotFound) {
		return &rbac.Role{}, nil
	}
	list := make([]any, len(docs))
	for i, d := range docs {
		list[i] = d
	}
	return &rbac.Role{Permissions: permissionsAt(map[string]any{"value": list}, "value")}, err
}

// readsDirectory tries to read names, as Load does.
func (c *client) readsDirectory(ctx context.Context) (bool, error) {
	body := map[string]any{"ids": []azure.GUID{azure.NewGUID()}, "types": []string{"servicePrincipal"}}
	_, err := c.do(ctx, c.graph, http.MethodPost, c.graphBase+"/v1.0/directoryObjects/getByIds", body)
	if isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusUnauthorized) || errors.As(err, new(*Refused)) {
		return false, nil
	}
	return err == nil, err
}
