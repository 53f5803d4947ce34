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
// and reports whether it is refused. No call changes anything: one that would write is refused after the rights were looked
// at, for what it says or on a condition that nothing meets. Where there is no such call the identity asks what it may do there.
func (a Attempt) Refused(ctx context.Context, on *local.Azure) (bool, error) {
	t := trial{a, on}
	key := a.Action.Key()
	switch property, linked := linkedFrom[key]; {
	case a.Made() == "": // there is no such call
		return t.ask(ctx)
	case strings.HasSuffix(key, "/registries/pull/read"), strings.HasSuffix(key, "/repositories/content/read"):
		return t.pull(ctx)
	case strings.HasPrefix(key, "microsoft.keyvault/vaults/keys/") && a.Data:
		return t.useKey(ctx)
	case linked && a.Who.Role == ControlPlane: // which may write load balancers in the node resource group
		return t.link(ctx, property)
	case strings.HasSuffix(key, "/read"):
		return t.read(ctx)
	}
	return t.change(ctx)
}

// Made is the kind of call that Refused makes: pull, key, link, read, write or delete; "" where it can only ask.
func (a Attempt) Made() string {
	key := a.Action.Key()
	_, linked := linkedFrom[key]
	verb := key[strings.LastIndexByte(key, '/')+1:]
	known := len(versionsOf(a.Action.Type())) > 0 && strings.Count(a.Action.Type(), "/") == 1
	switch itself, inGroup := strings.EqualFold(a.Action.Type(), a.Scope.Type()), strings.EqualFold(a.Scope.Type(), azure.TypeResourceGroup); {
	case strings.HasSuffix(key, "/registries/pull/read"), strings.HasSuffix(key, "/repositories/content/read"):
		return "pull"
	case strings.HasPrefix(key, "microsoft.keyvault/vaults/keys/") && a.Data:
		return "key"
	case a.Data:
		return ""
	case linked && a.Who.Role == ControlPlane: // which may write load balancers in the node resource group
		return "link"
	case verb == "read" && (itself && len(versionsOf(a.Scope.Type())) > 0 || inGroup && known),
		verb == "write" && known && (itself || inGroup), verb == "delete" && known && inGroup:
		return verb
	}
	return ""
}

// target is the resource that a read or a change is of: the scope itself, or one in the group whose name nobody has.
func (t trial) target() azure.ID {
	if strings.EqualFold(t.Action.Type(), t.Scope.Type()) {
		return t.Scope
	}
	return t.Scope.Resource(t.Action.Type(), "aksid-"+azure.NewGUID().String()[:13])
}

// never are conditions of a write that nothing meets, be the resource there or not: they are looked at after the rights.
var never = http.Header{"If-Match": {`"aksid"`}, "If-None-Match": {"*"}}

// change writes what cannot be written, or deletes what is not there.
func (t trial) change(ctx context.Context) (bool, error) {
	token, err := t.token(ctx, "")
	if err != nil {
		return false, err
	}
	id := t.target()
	method, body := http.MethodPut, `{"location": "`+t.Cluster.Text("location")+`"}`
	if strings.HasSuffix(t.Action.Key(), "/delete") {
		method, body = http.MethodDelete, ""
	}
	req, err := http.NewRequestWithContext(ctx, method, t.on.URL+escapePath(id.String())+"?api-version="+versionsOf(id.Type())[0], strings.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header = never.Clone()
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := t.on.Client().Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized, nil
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
	id := t.target()
	return t.call(ctx, http.MethodGet, id, versionsOf(id.Type())[0], nil)
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
	token, err := t.token(ctx, "")
	if err != nil {
		return false, err
	}
	err = t.on.Call(ctx, token, http.MethodPut, escapePath(id.String())+"?api-version="+versionsOf(id.Type())[0], body, nil)
	if e := (*azure.Error)(nil); errors.As(err, &e) && e.Code == azure.AuthorizationFailed.Code {
		return t.ask(ctx) // it may not even write load balancers: what they name is not looked at
	}
	return refusedBy(err)
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
