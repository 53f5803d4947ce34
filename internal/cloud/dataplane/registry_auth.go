package dataplane

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// guest is the user name that stands for a refresh token in a password.
const guest = "00000000-0000-0000-0000-000000000000"

// holder is somebody who asks a registry for a token.
type holder struct {
	id  string // an object id, or the name of a user of the registry's own
	app string // client id
	may func(kind, name, action string) bool
}

// right is what an action of a scope needs: a control-plane action or, in ABAC mode, a data action.
type right struct{ action, data azure.Action }

// rights by action (Microsoft Learn: ACR's built-in roles; ABAC repository permissions).
var rights = map[string]right{
	"pull":           {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/repositories/content/read"},
	"push":           {"Microsoft.ContainerRegistry/registries/push/write", "Microsoft.ContainerRegistry/registries/repositories/content/write"},
	"delete":         {"Microsoft.ContainerRegistry/registries/artifacts/delete", "Microsoft.ContainerRegistry/registries/repositories/content/delete"},
	"metadata_read":  {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/repositories/metadata/read"},
	"metadata_write": {"Microsoft.ContainerRegistry/registries/push/write", "Microsoft.ContainerRegistry/registries/repositories/metadata/write"},
	"catalog":        {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/catalog/read"},
}

// abac reports whether the registry's data is decided on data actions.
func (q *question) abac() bool {
	return strings.EqualFold(q.registry.Properties.Mode, "AbacRepositoryPermissions")
}

// principal is a principal of the tenant: the engine says what it may do.
func (q *question) principal(c directory.Caller) holder {
	return holder{c.ID.String(), c.AppID.String(), func(kind, name, action string) bool {
		if kind == "registry" && name == "catalog" {
			action = "catalog"
		}
		need, ok := rights[action]
		if !ok {
			return false
		}
		if !q.abac() {
			return q.may(c, need.action, false, q.registry.ID, rbac.Attributes{})
		}
		return q.may(c, need.data, true, q.registry.ID, rbac.Attributes{Request: map[string]any{rbac.AttributeRepository: name}})
	}}
}

// mayEnter reports whether a principal has any right on the registry: others get no refresh token. In ABAC mode a
// right can hang on the repository, which is not known yet.
func (q *question) mayEnter(c directory.Caller) bool {
	for _, need := range rights {
		action := need.action
		if q.abac() {
			action = need.data
		}
		if _, d := q.ask(c, action, q.abac(), q.registry.ID, rbac.Attributes{}); d.Outcome == rbac.Granted || d.Condition || q.LogOnly {
			return true
		}
	}
	return false
}

// nobody has no rights of its own.
func (q *question) nobody() holder {
	return holder{may: func(string, string, string) bool { return false }}
}

// admin is the registry's admin user: it may do everything.
func (q *question) admin(user, password string) (holder, bool) {
	g := q.registry
	name, _, _ := strings.Cut(g.Properties.LoginServer, ".")
	ok := g.Properties.AdminUser && strings.EqualFold(user, name) && slices.ContainsFunc(g.Own.Keys, func(key string) bool { return same(key, password) })
	return holder{name, "", func(string, string, string) bool { return true }}, ok
}

// tokenUser is a token of the registry's own, which has a name and passwords: its scope map says what it may do.
func (q *question) tokenUser(tx store.Tx, user, password string) (holder, bool, error) {
	var t struct {
		Properties struct {
			Status string   `json:"status"`
			Map    azure.ID `json:"scopeMapId"`
		} `json:"properties"`
		Own struct {
			Passwords map[string]directory.Secret `json:"passwords"`
		} `json:"_"`
	}
	id := q.registry.ID.Join("tokens", user)
	if strings.Contains(user, "/") {
		return holder{}, false, nil
	}
	if ok, err := get(tx, directory.KindResource, id.Key(), &t); err != nil || !ok || strings.EqualFold(t.Properties.Status, "disabled") {
		return holder{}, false, err
	}
	var secrets directory.Principal
	for _, s := range t.Own.Passwords {
		secrets.Secrets = append(secrets.Secrets, s)
	}
	if secrets.CheckSecret(password, q.Now()) != nil {
		return holder{}, false, nil
	}
	var m struct {
		Properties struct {
			Actions []string `json:"actions"`
		} `json:"properties"`
	}
	ok, err := get(tx, directory.KindResource, t.Properties.Map.Key(), &m)
	return holder{user, "", func(kind, name, action string) bool { return scopeMapAllows(m.Properties.Actions, kind, name, action) }}, ok, err
}

// mapped are the actions of scope maps by the actions of scopes.
var mapped = map[string]string{
	"pull": "content/read", "push": "content/write", "delete": "content/delete", "metadata_read": "metadata/read", "metadata_write": "metadata/write",
}

// scopeMapAllows looks for repositories/<name>/<action>; a name can be a * or end in one (Microsoft Learn:
// repository-scoped permissions).
func scopeMapAllows(actions []string, kind, name, action string) bool {
	want, ok := mapped[action]
	return ok && kind == "repository" && slices.ContainsFunc(actions, func(a string) bool {
		repo, ok := strings.CutPrefix(a, "repositories/")
		if !ok {
			return false
		}
		repo, ok = strings.CutSuffix(repo, "/"+want)
		prefix, wild := strings.CutSuffix(repo, "*")
		return ok && (repo == name || wild && strings.HasPrefix(name, prefix))
	})
}

// exchange turns an Entra token of a principal with any right on the registry into a refresh token.
func (q *question) exchange(tx store.Tx) (any, error) {
	if g := q.r.PostForm.Get("grant_type"); g != "access_token" && g != "access_token_refresh_token" && g != "refresh_token" {
		return nil, badRequest("grant_type", g)
	}
	if s := q.r.PostForm.Get("service"); s != "" && !strings.EqualFold(s, q.host) {
		return nil, badRequest("service", s)
	}
	shown := &http.Request{Header: http.Header{"Authorization": {"Bearer " + q.r.PostForm.Get("access_token")}}}
	caller, refused := q.Verify(shown, q.audiences()...)
	if refused != nil || q.Active(tx, caller) != nil || !q.mayEnter(caller) {
		return nil, q.unauthorized()
	}
	return map[string]string{"refresh_token": q.tickets.sign(q.ticket(q.principal(caller), refreshLife, "refresh_token"))}, nil
}

// audiences are those of the Entra tokens that the registry takes: it can be set to refuse those for Resource Manager.
func (q *question) audiences() []string {
	own := []string{"https://containerregistry.azure.net", "https://containerregistry.azure.net/", "https://" + q.host}
	if strings.EqualFold(q.registry.Properties.Policies.ARM.Status, "disabled") {
		return own
	}
	return append(own, q.ARM...)
}

func (q *question) ticket(who holder, life time.Duration, kind string) ticket {
	now := q.Clients()
	return ticket{ID: azure.NewGUID().String(), Issuer: "Azure Container Registry", Audience: q.host, Subject: who.id, App: who.app,
		Content: q.registry.Own.Content.String(), NotBefore: now.Add(-15 * time.Minute).Unix(), IssuedAt: now.Unix(), Expiry: now.Add(life).Unix(),
		Ahead: int64(q.Now().Sub(now).Round(time.Second) / time.Second), Kind: kind}
}

// token answers with an access token for what may be done of the scopes that are asked for, or refuses if that is
// nothing (distribution: token scope documentation).
func (q *question) token(tx store.Tx) (any, error) {
	scopes, err := q.scopes()
	if err != nil {
		return nil, err
	}
	who, known, err := q.asks(tx)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, q.unauthorized(scopes...)
	}
	t := q.ticket(who, accessLife, "access_token")
	for _, s := range scopes {
		if s = q.allowed(who, s); len(s.Actions) > 0 {
			t.Access = append(t.Access, s)
		}
	}
	if len(scopes) > 0 && len(t.Access) == 0 {
		return nil, q.unauthorized(scopes...)
	}
	return map[string]any{"access_token": q.tickets.sign(t), "expires_in": int(accessLife.Seconds())}, nil
}

// asks is who asks for an access token: by refresh token, by user name and password, or nobody.
// It reports false where what is shown is not valid.
func (q *question) asks(tx store.Tx) (holder, bool, error) {
	user, password, basic := q.r.BasicAuth()
	refresh := q.r.Form.Get("refresh_token")
	if !basic && q.r.Form.Get("grant_type") == "password" {
		user, password, basic = q.r.Form.Get("username"), q.r.Form.Get("password"), true
	}
	if basic && user == guest {
		refresh = password
	}
	switch {
	case refresh != "":
		t, ok := q.open(refresh, "refresh_token")
		if !ok {
			return holder{}, false, nil
		}
		id, _ := azure.ParseGUID(t.Subject)
		c := directory.Caller{ID: id}
		return q.principal(c), q.Active(tx, c) == nil, nil
	case basic:
		return q.user(tx, user, password)
	}
	return q.nobody(), q.registry.Properties.AnonymousPull, nil
}

// user is who a user name and a password stand for: the admin user, a service principal or a token of the registry.
func (q *question) user(tx store.Tx, user, password string) (holder, bool, error) {
	if who, ok := q.admin(user, password); ok {
		return who, true, nil
	}
	app, err := azure.ParseGUID(user)
	if err != nil {
		return q.tokenUser(tx, user, password)
	}
	p, err := directory.Authenticate(tx, app, password, q.Now())
	return q.principal(directory.Caller{ID: p.ID, AppID: p.AppID}), err == nil, nil
}

// open verifies a token of this registry.
func (q *question) open(token, kind string) (ticket, bool) {
	t, err := q.tickets.open(token)
	now := q.Now().Unix() - t.Ahead
	return t, err == nil && t.Audience == q.host && t.Content == q.registry.Own.Content.String() && t.Kind == kind && t.NotBefore <= now && now < t.Expiry
}

// access is what the request's access token allows, or all for the admin user's password.
func (q *question) access() (ticket, error) {
	if user, password, ok := q.r.BasicAuth(); ok {
		if _, ok := q.admin(user, password); ok {
			return ticket{all: true}, nil
		}
	}
	if t, ok := q.open(bearerToken(q.r), "access_token"); ok {
		return t, nil
	}
	return ticket{}, q.unauthorized()
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// allowed is what may be done of a scope; anybody may pull where anonymous pull is on.
func (q *question) allowed(who holder, s scope) scope {
	open := q.registry.Properties.AnonymousPull && s.Type == "repository"
	s.Actions = slices.DeleteFunc(slices.Clone(s.Actions), func(action string) bool {
		return !who.may(s.Type, s.Name, action) && !(open && (action == "pull" || action == "metadata_read"))
	})
	return s
}

// scopes are the scopes a token is asked for, as type:name:action,action; several may stand in one parameter.
func (q *question) scopes() ([]scope, error) {
	var out []scope
	for text := range q.scopeTexts() {
		s, ok := parseScope(text)
		if !ok {
			return nil, badRequest("scope", text)
		}
		out = append(out, s)
	}
	return out, nil
}

func (q *question) scopeTexts() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range q.r.Form["scope"] {
			for text := range strings.FieldsSeq(v) {
				if !yield(text) {
					return
				}
			}
		}
	}
}

func badRequest(name, value string) *azure.Error {
	return &azure.Error{Status: http.StatusBadRequest, Code: "UNSUPPORTED", Message: fmt.Sprintf("the parameter %s=%q is not supported", name, value)}
}
