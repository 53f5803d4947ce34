package scenario

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
	"aksid/internal/rbac"
)

// doc is a JSON object.
type doc = map[string]any

const location = "westeurope"

// caller is somebody who makes calls: a person or pipeline, a machine, a pod.
type caller interface {
	token(context.Context, *Stage) (string, error)
}

// person is somebody with a credential of their own: a team, as its automation, or a pipeline.
type person struct {
	name       string
	id         azure.PrincipalID
	credential local.Credential
	secret     azure.GUID // its key id
	bearer     string
	until      time.Time
}

// tokenLife is how long a token is used. Azure's are good for an hour.
const tokenLife = 30 * time.Minute

func (p *person) token(ctx context.Context, s *Stage) (string, error) {
	if now := s.now(); p.bearer == "" || now.After(p.until) {
		var err error
		if p.bearer, err = s.Azure.Token(ctx, p.credential); err != nil {
			return "", err
		}
		p.until = now.Add(tokenLife)
	}
	return p.bearer, nil
}

// machine is what has a managed identity: a cluster, whose controllers act as its identity, or a scale set, whose nodes do.
type machine azure.ID

func (m machine) token(ctx context.Context, s *Stage) (string, error) {
	return s.Azure.MachineToken(ctx, azure.ID(m))
}

// named remembers what a principal is called.
func (s *Stage) named(p azure.PrincipalID, name string) {
	if s.names == nil {
		s.names = map[azure.PrincipalID]string{}
	}
	s.names[p] = name
}

// now is what the local Azure's clock says.
func (s *Stage) now() time.Time { return s.Now().Add(s.ahead) }

// advance lets time go by.
func (s *Stage) advance(ctx context.Context, by time.Duration) error {
	c, err := s.Azure.AdvanceClock(ctx, by)
	if err == nil {
		s.ahead = c.Now.Sub(s.Now())
		s.waited += by
	}
	return err
}

const day = 24 * time.Hour

func (s *Stage) call(ctx context.Context, by caller, method, path string, in, out any) error {
	token, err := by.token(ctx, s)
	if err != nil {
		return err
	}
	return s.Azure.Call(ctx, token, method, path, in, out)
}

func (s *Stage) put(ctx context.Context, by caller, id azure.ID, in, out any) error {
	return s.call(ctx, by, http.MethodPut, local.PathOf(id), in, out)
}

func (s *Stage) get(ctx context.Context, by caller, id azure.ID, out any) error {
	return s.call(ctx, by, http.MethodGet, local.PathOf(id), nil, out)
}

func (s *Stage) remove(ctx context.Context, by caller, id azure.ID) error {
	return s.call(ctx, by, http.MethodDelete, local.PathOf(id), nil, nil)
}

// resource is what somebody makes.
type resource struct {
	id   azure.ID
	body doc
}

// build makes resources, one after the other.
func (s *Stage) build(ctx context.Context, by caller, resources ...resource) error {
	for _, r := range resources {
		r.body["location"] = location
		if err := s.put(ctx, by, r.id, r.body, nil); err != nil {
			return err
		}
	}
	return nil
}

// operator is the Owner of both subscriptions.
func (s *Stage) operator() *person {
	if s.owner == nil {
		s.owner = &person{name: "operator", id: s.Azure.ObjectID, credential: s.Azure.Operator}
	}
	return s.owner
}

// hire makes an application with a service principal and a secret, for a team's automation or a pipeline.
func (s *Stage) hire(ctx context.Context, by caller, name string) (*person, error) {
	var app struct {
		AppID azure.GUID `json:"appId"`
	}
	if err := s.call(ctx, by, http.MethodPost, "/v1.0/applications", doc{"displayName": name}, &app); err != nil {
		return nil, err
	}
	var sp local.Principal
	if err := s.call(ctx, by, http.MethodPost, "/v1.0/servicePrincipals", doc{"appId": app.AppID}, &sp); err != nil {
		return nil, err
	}
	token, err := by.token(ctx, s)
	if err != nil {
		return nil, err
	}
	secret, err := s.Azure.AddSecret(ctx, token, sp.ID, name, s.now().AddDate(1, 0, 0))
	if err != nil {
		return nil, err
	}
	s.named(sp.ID, name)
	return &person{name: name, id: sp.ID, secret: secret.KeyID,
		credential: local.Credential{ClientID: sp.AppID, Tenant: s.Azure.Tenant, Secret: secret.Text}}, nil
}

// team makes somebody with a role on whole subscriptions.
func (s *Stage) team(ctx context.Context, name, role string, subscriptions ...azure.ID) (*person, error) {
	p, err := s.hire(ctx, s.operator(), name)
	for _, sub := range subscriptions {
		if err == nil {
			err = s.grant(ctx, s.operator(), role, p.id, sub)
		}
	}
	return p, err
}

// newGroup makes a security group with members.
func (s *Stage) newGroup(ctx context.Context, name string, members ...*person) (azure.PrincipalID, error) {
	var made struct{ ID azure.PrincipalID }
	err := s.call(ctx, s.operator(), http.MethodPost, "/v1.0/groups", doc{"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true}, &made)
	for _, m := range members {
		if err == nil {
			member := doc{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + m.id.String()}
			err = s.call(ctx, s.operator(), http.MethodPost, "/v1.0/groups/"+made.ID.String()+"/members/$ref", member, nil)
		}
	}
	s.named(made.ID, "the group "+name)
	return made.ID, err
}

// userAssigned makes a user-assigned identity.
func (s *Stage) userAssigned(ctx context.Context, by caller, id azure.ID) (principal azure.PrincipalID, client azure.GUID, err error) {
	var made struct {
		Properties struct {
			PrincipalID azure.PrincipalID `json:"principalId"`
			ClientID    azure.GUID        `json:"clientId"`
		}
	}
	err = s.put(ctx, by, id, doc{"location": location}, &made)
	s.named(made.Properties.PrincipalID, id.Name())
	return made.Properties.PrincipalID, made.Properties.ClientID, err
}

// grant assigns a built-in role, by name.
func (s *Stage) grant(ctx context.Context, by caller, role string, to azure.PrincipalID, scope azure.ID) error {
	return s.assign(ctx, by, role, to, "ServicePrincipal", scope)
}

// grantGroup is grant for a group.
func (s *Stage) grantGroup(ctx context.Context, by caller, role string, to azure.PrincipalID, scope azure.ID) error {
	return s.assign(ctx, by, role, to, "Group", scope)
}

func (s *Stage) assign(ctx context.Context, by caller, role string, to azure.PrincipalID, kind string, scope azure.ID) error {
	r, ok := rbac.BuiltInRole(role)
	if !ok {
		return fmt.Errorf("there is no built-in role %s", role)
	}
	return s.assignRole(ctx, by, r.ID, to, kind, scope)
}

// grantCustom makes a custom role in the scope's subscription and assigns it.
func (s *Stage) grantCustom(ctx context.Context, by caller, name string, actions []string, to azure.PrincipalID, scope azure.ID) error {
	role, sub := azure.NewGUID(), azure.SubscriptionID(scope.Subscription())
	err := s.put(ctx, by, sub.Resource(typeDefinition, role.String()), doc{"properties": doc{"roleName": name, "type": "CustomRole",
		"permissions": []doc{{"actions": actions}}, "assignableScopes": []string{sub.String()}}}, nil)
	if err != nil {
		return err
	}
	return s.assignRole(ctx, by, role, to, "ServicePrincipal", scope)
}

func (s *Stage) assignRole(ctx context.Context, by caller, role azure.GUID, to azure.PrincipalID, kind string, scope azure.ID) error {
	id := scope.Resource(typeAssignment, azure.NewGUID().String())
	definition := azure.SubscriptionID(scope.Subscription()).Resource(typeDefinition, role.String())
	return s.put(ctx, by, id, doc{"properties": doc{
		"roleDefinitionId": definition.String(), "principalId": to, "principalType": kind,
	}}, nil)
}

// Types that stories deal with.
const (
	typeCluster    = "Microsoft.ContainerService/managedClusters"
	typeDisk       = "Microsoft.Compute/disks"
	typeAssignment = "Microsoft.Authorization/roleAssignments"
	typeDefinition = "Microsoft.Authorization/roleDefinitions"
	typeIdentity   = "Microsoft.ManagedIdentity/userAssignedIdentities"
	typeRegistry   = "Microsoft.ContainerRegistry/registries"
	typeScaleSet   = "Microsoft.Compute/virtualMachineScaleSets"
	typeSubnet     = "Microsoft.Network/virtualNetworks/subnets"
)

// assignment is a role assignment.
type assignment struct {
	ID         azure.ID
	Properties struct {
		Scope            azure.ID
		PrincipalID      azure.PrincipalID
		RoleDefinitionID azure.ID
	}
}

// role is the name of a built-in role, or the GUID of another.
func (a assignment) role() string {
	name := a.Properties.RoleDefinitionID.Name()
	if r, ok := rbac.BuiltInRole(name); ok {
		return r.Name
	}
	return name
}

// high reports whether it reaches a whole subscription, or more.
func (a assignment) high() bool { return a.Properties.Scope.ResourceGroup() == "" }

// subscriptionName is the name of the subscription that a scope is in.
func (s *Stage) subscriptionName(scope azure.ID) string {
	for _, sub := range s.Azure.Subscriptions {
		if strings.EqualFold(sub.ID, scope.Subscription()) {
			return sub.Name
		}
	}
	return scope.Subscription()
}

// assignments are the role assignments of all subscriptions, at and below them.
func (s *Stage) assignments(ctx context.Context) ([]assignment, error) {
	var all []assignment
	for _, sub := range s.Azure.Subscriptions {
		var page struct{ Value []assignment }
		if err := s.get(ctx, s.operator(), azure.SubscriptionID(sub.ID).Resource(typeAssignment), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
	}
	return all, nil
}

// revoke takes the role assignments away that are meant, and tells so.
func (s *Stage) revoke(ctx context.Context, by caller, meant func(assignment) bool) error {
	all, err := s.assignments(ctx)
	if err != nil {
		return err
	}
	for _, a := range slices.DeleteFunc(all, func(a assignment) bool { return !meant(a) }) {
		if err := s.remove(ctx, by, a.ID); err != nil {
			return err
		}
		s.changed("no more %s on %s for %s", a.role(), s.placeName(a.Properties.Scope), cmp.Or(s.names[a.Properties.PrincipalID], a.Properties.PrincipalID.String()))
	}
	return nil
}

// placeName names a scope.
func (s *Stage) placeName(scope azure.ID) string {
	if scope.ResourceGroup() == "" {
		return "subscription " + s.subscriptionName(scope)
	}
	return scope.Name()
}

// file writes a JSON file to the stage's folder.
func (s *Stage) file(name string, content any) error {
	b, err := json.MarshalIndent(content, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(filepath.Join(s.Folder, name)), 0o700)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Folder, name), append(b, '\n'), 0o600)
}

// event is an entry of an activity log.
type event struct {
	OperationName struct{ Value string }
}

// activity reads the activity log of a subscription by a filter, as the operator.
func (s *Stage) activity(ctx context.Context, subscription, filter string) ([]event, error) {
	query := url.Values{"api-version": {"2015-04-01"}, "$filter": {filter}}
	var page struct {
		Value    []event
		NextLink string
	}
	var all []event
	path := "/subscriptions/" + subscription + "/providers/Microsoft.Insights/eventtypes/management/values?" + query.Encode()
	for {
		page.Value, page.NextLink = nil, ""
		if err := s.call(ctx, s.operator(), http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" {
			return all, nil
		}
		path = strings.TrimPrefix(page.NextLink, s.Azure.URL)
	}
}
