package estate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/local"
	"aksid/internal/rbac"
)

// Attempt is a right that an identity of a cluster exercises.
type Attempt struct {
	Cluster *Cluster
	Who     Identity
	Action  azure.Action
	Data    bool
	Scope   azure.ID
}

// Refused makes the call that exercises a right on a local Azure, with the identity's own token from the metadata service,
// and reports whether it is refused. No call changes anything: one that would write is spelled so that it is only refused
// later, for what it says. Where there is no such call the identity asks what it may do there.
func (a Attempt) Refused(ctx context.Context, on *local.Azure) (bool, error) {
	t := trial{a, on}
	key := a.Action.Key()
	switch property, linked := linkedFrom[key]; {
	case strings.HasSuffix(key, "/registries/pull/read"), strings.HasSuffix(key, "/repositories/content/read"):
		return t.pull(ctx)
	case strings.HasPrefix(key, "microsoft.keyvault/vaults/keys/") && a.Data:
		return t.useKey(ctx)
	case linked && a.Who.Role == ControlPlane: // which may write load balancers in the node resource group
		return t.link(ctx, property)
	case strings.HasSuffix(key, "/read") && strings.EqualFold(a.Action.Type(), a.Scope.Type()) && len(versionsOf(a.Scope.Type())) > 0:
		return t.read(ctx)
	}
	return t.ask(ctx)
}

// linkedFrom says by which property of a load balancer Azure checks a right on what it names.
var linkedFrom = map[string]string{
	"microsoft.network/virtualnetworks/subnets/join/action":     "frontendIPConfigurations.subnet",
	"microsoft.network/publicipaddresses/join/action":           "frontendIPConfigurations.publicIPAddress",
	"microsoft.network/publicipprefixes/join/action":            "frontendIPConfigurations.publicIPPrefix",
	"microsoft.network/virtualnetworks/joinloadbalancer/action": "backendAddressPools.virtualNetwork",
}

type trial struct {
	Attempt
	on *local.Azure
}

// token is the identity's own. A user-assigned identity counts as a machine that has it alone.
func (t trial) token(ctx context.Context, resource string) (string, error) {
	machine := t.Who.Resource
	if machine.IsZero() {
		machine = t.Cluster.ID
	}
	if resource == "" {
		return t.on.MachineToken(ctx, machine)
	}
	return t.on.MachineTokenFor(ctx, machine, resource)
}

// call reports whether a call is refused; that it fails for another reason does not matter, as rights are looked at before.
func (t trial) call(ctx context.Context, method string, id azure.ID, version string, body any) (bool, error) {
	token, err := t.token(ctx, "")
	if err != nil {
		return false, err
	}
	return refusedBy(t.on.Call(ctx, token, method, escapePath(id.String())+"?api-version="+version, body, nil))
}

// refusedBy reports whether an answer is a refusal. What is no answer at all stays an error.
func refusedBy(err error) (bool, error) {
	var e *azure.Error
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &e):
		return e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized, nil
	}
	return false, err
}

func (t trial) read(ctx context.Context) (bool, error) {
	return t.call(ctx, http.MethodGet, t.Scope, versionsOf(t.Scope.Type())[0], nil)
}

// link puts a load balancer that names the scope. Its SKU, which does not exist, is looked at after the rights.
func (t trial) link(ctx context.Context, property string) (bool, error) {
	target := t.Scope
	if strings.EqualFold(target.Type(), azure.TypeResourceGroup) { // the right on what is in it
		target = target.Resource(t.Action.Type(), "aksid")
	}
	list, member, _ := strings.Cut(property, ".")
	body := map[string]any{"location": t.Cluster.Text("location"), "sku": map[string]any{"name": "none"}, "properties": map[string]any{
		list: []any{map[string]any{"name": "aksid", "properties": map[string]any{member: map[string]any{"id": target.String()}}}},
	}}
	id := t.Cluster.NodeGroup().Resource("Microsoft.Network/loadBalancers", "aksid-"+azure.NewGUID().String())
	return t.call(ctx, http.MethodPut, id, versionsOf(id.Type())[0], body)
}

// ask reads what the identity may do at the scope.
func (t trial) ask(ctx context.Context) (bool, error) {
	token, err := t.token(ctx, "")
	if err != nil {
		return false, err
	}
	var page map[string]any
	path := escapePath(t.Scope.Join("providers", typePermissions).String()) + "?api-version=" + versionsOf(typePermissions)[0]
	if err := t.on.Call(ctx, token, http.MethodGet, path, nil, &page); err != nil {
		return refusedBy(err)
	}
	role := rbac.Role{Permissions: permissionsAt(page, "value")}
	return !role.Grants(t.Action, t.Data), nil
}

// typePermissions is the type of what a caller may do.
const typePermissions = "Microsoft.Authorization/permissions"

// pull asks a registry for a token to pull with, as a node does.
func (t trial) pull(ctx context.Context) (bool, error) {
	node, err := t.token(ctx, "")
	if err != nil {
		return false, err
	}
	service := strings.ToLower(t.Scope.Name()) + t.on.Cloud().RegistrySuffix
	answer, refused, err := t.form(ctx, "https://"+service+"/oauth2/exchange", url.Values{
		"grant_type": {"access_token"}, "service": {service}, "tenant": {t.on.Tenant.String()}, "access_token": {node}})
	if refused || err != nil {
		return refused, err
	}
	_, refused, err = t.form(ctx, "https://"+service+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "service": {service}, "scope": {"repository:aksid/probe:pull"}, "refresh_token": {textAt(answer, "refresh_token")}})
	return refused, err
}

func (t trial) form(ctx context.Context, target string, form url.Values) (answer map[string]any, refused bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return t.send(req)
}

// useKey encrypts or decrypts with a key that is not there: a vault looks at rights first.
func (t trial) useKey(ctx context.Context) (bool, error) {
	token, err := t.token(ctx, "https://vault.azure.net")
	if err != nil {
		return false, err
	}
	verb := strings.Split(t.Action.Key(), "/")[3]
	target := "https://" + t.Scope.Name() + ".vault.azure.net/keys/aksid-none/0/" + verb + "?api-version=7.4"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(`{"alg": "RSA-OAEP-256", "value": "AAAA"}`))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	_, refused, err := t.send(req)
	return refused, err
}

func (t trial) send(req *http.Request) (answer map[string]any, refused bool, err error) {
	resp, err := t.on.Client().Do(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, false, fmt.Errorf("%s answers what is no JSON: %w", req.URL.Host, err)
	}
	return answer, resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized, nil
}
