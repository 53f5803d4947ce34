// Package dataplane is the second door of the local Azure: hosts other than Resource Manager's, where a right on data
// is decided by the same engine.
package dataplane

import (
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// RegistryConfig is what the registries' login servers stand on.
type RegistryConfig struct {
	Dir    string // holds the key that signs registry tokens
	Store  store.Store
	Policy func() *rbac.Policy
	Now    func() time.Time
	Verify func(r *http.Request, token string) (directory.Caller, *azure.Error) // an Entra token
	Active func(store.Tx, directory.Caller) *azure.Error
}

// Registry serves <registry>.azurecr.io: Entra tokens are exchanged for the registry's own, and those for access
// tokens that name what they allow (github.com/Azure/acr: docs/AAD-OAuth.md; distribution: token authentication).
type Registry struct {
	RegistryConfig
	key signer
}

// NewRegistry reads the signing key, or makes it.
func NewRegistry(c RegistryConfig) (*Registry, error) {
	key, err := openSigner(c.Dir)
	return &Registry{c, key}, err
}

// guest is the user name that stands for a refresh token in a password.
const guest = "00000000-0000-0000-0000-000000000000"

const maxForm = 64 << 10 // bytes

// registry is what the door needs of a registry's document.
type registry struct {
	ID         azure.ID `json:"id"`
	Properties struct {
		AnonymousPull bool   `json:"anonymousPullEnabled"`
		Mode          string `json:"roleAssignmentMode"`
		Policies      struct {
			ARM struct {
				Status string `json:"status"`
			} `json:"azureADAuthenticationAsArmPolicy"`
		} `json:"policies"`
	} `json:"properties"`
}

func (g *registry) abac() bool {
	return strings.EqualFold(g.Properties.Mode, "AbacRepositoryPermissions")
}

func (s *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	_ = r.ParseForm() // what cannot be read is missing
	q := &question{Registry: s, r: r, host: host(r.Host)}
	var body any
	var refused *azure.Error
	err := s.Store.View(r.Context(), func(tx store.Tx) (err error) {
		q.tx = tx
		if q.registry, err = findRegistry(tx, q.host); err != nil {
			return err
		}
		body, refused = q.answer()
		return nil
	})
	switch {
	case err != nil:
		writeError(w, &azure.Error{Status: http.StatusServiceUnavailable, Code: "UNAVAILABLE", Message: "The registry cannot be read."})
	case refused != nil:
		writeError(w, refused)
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(body)
	}
}

func host(hostPort string) string {
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		hostPort = h
	}
	return strings.ToLower(hostPort)
}

// findRegistry reads the registry whose login server a host is; nil where there is none.
func findRegistry(tx store.Tx, host string) (*registry, error) {
	name, _, _ := strings.Cut(host, ".")
	for d, err := range tx.Find("registry:" + name) {
		if err != nil {
			return nil, err
		}
		g := &registry{}
		return g, json.Unmarshal(d.Body, g)
	}
	return nil, nil
}

// question is one request to a registry.
type question struct {
	*Registry
	r        *http.Request
	tx       store.Tx
	host     string
	registry *registry
}

func (q *question) answer() (any, *azure.Error) {
	if q.registry == nil {
		return nil, &azure.Error{Status: http.StatusNotFound, Code: "NAME_UNKNOWN", Message: "the registry " + q.host + " does not exist"}
	}
	switch path := strings.TrimSuffix(q.r.URL.Path, "/"); {
	case path == "/oauth2/exchange" && q.r.Method == http.MethodPost:
		return q.exchange()
	case path == "/oauth2/token" && (q.r.Method == http.MethodPost || q.r.Method == http.MethodGet):
		return q.token()
	case path == "/v2":
		return q.ping()
	case strings.HasPrefix(path, "/v2/"):
		return q.content(strings.TrimPrefix(path, "/v2/"))
	}
	return nil, &azure.Error{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "there is no " + q.r.Method + " " + q.r.URL.Path}
}

// unauthorized is the registry's 401, with the challenge that tells a client where to get a token.
func (q *question) unauthorized(scopes ...scope) *azure.Error {
	err := azure.RegistryUnauthorized.Error()
	challenge := fmt.Sprintf(`Bearer realm="https://%s/oauth2/token",service="%s"`, q.host, q.host)
	if len(scopes) > 0 {
		challenge += fmt.Sprintf(`,scope="%s"`, scopes[0])
	}
	err.Header = http.Header{"Www-Authenticate": {challenge}}
	for _, s := range scopes {
		for _, action := range s.Actions {
			err.Details = append(err.Details, &azure.Error{Code: s.Type, Target: s.Name, Message: action})
		}
	}
	return err
}

// exchange turns an Entra token of a principal with any right on the registry into a refresh token.
func (q *question) exchange() (any, *azure.Error) {
	if g := q.r.PostForm.Get("grant_type"); g != "access_token" && g != "access_token_refresh_token" && g != "refresh_token" {
		return nil, badRequest("grant_type", g)
	}
	if s := q.r.PostForm.Get("service"); s != "" && !strings.EqualFold(s, q.host) {
		return nil, badRequest("service", s)
	}
	caller, err := q.Verify(q.r, q.r.PostForm.Get("access_token"))
	if err != nil || q.Active(q.tx, caller) != nil || !q.takes(caller) || !q.mayEnter(caller) {
		return nil, q.unauthorized()
	}
	return map[string]string{"refresh_token": q.key.sign(q.grant(caller, refreshLife))}, nil
}

// takes reports whether the registry accepts the token's audience: it can be set to refuse those for Resource Manager.
func (q *question) takes(c directory.Caller) bool {
	audience, _ := c.Claims["aud"].(string)
	return !strings.EqualFold(q.registry.Properties.Policies.ARM.Status, "disabled") ||
		strings.Contains(audience, "containerregistry.azure.net") || strings.EqualFold(audience, "https://"+q.host)
}

// Lifetimes of the registry's own tokens.
const (
	refreshLife = 3 * time.Hour
	accessLife  = 75 * time.Minute
)

func (q *question) grant(c directory.Caller, life time.Duration) ticket {
	now := q.Now()
	return ticket{ID: azure.NewGUID().String(), Issuer: "Azure Container Registry", Audience: q.host, Subject: c.ID.String(), App: c.AppID.String(),
		NotBefore: now.Add(-15 * time.Minute).Unix(), IssuedAt: now.Unix(), Expiry: now.Add(life).Unix(), Kind: "refresh_token"}
}

// token answers with an access token for the scopes that are asked for, or refuses all of them.
func (q *question) token() (any, *azure.Error) {
	scopes, bad := q.scopes()
	if bad != nil {
		return nil, bad
	}
	who, known := q.bearer()
	if !known {
		return nil, q.unauthorized(scopes...)
	}
	for _, s := range scopes {
		if !q.allowed(who, s) {
			return nil, q.unauthorized(scopes...)
		}
	}
	t := q.grant(who, accessLife)
	t.Kind, t.Access = "access_token", scopes
	return map[string]any{"access_token": q.key.sign(t), "expires_in": int(accessLife.Seconds())}, nil
}

// bearer is who asks for an access token: by refresh token, by a client secret, or nobody (the zero Caller).
// It reports false where what is shown is not valid.
func (q *question) bearer() (directory.Caller, bool) {
	user, password, basic := q.r.BasicAuth()
	refresh := q.r.Form.Get("refresh_token")
	if basic && user == guest {
		refresh = password
	}
	switch {
	case refresh != "":
		t, ok := q.open(refresh, "refresh_token")
		if !ok {
			return directory.Caller{}, false
		}
		id, _ := azure.ParseGUID(t.Subject)
		c := directory.Caller{ID: id}
		return c, q.Active(q.tx, c) == nil
	case basic:
		app, err := azure.ParseGUID(user)
		if err != nil {
			return directory.Caller{}, false
		}
		p, err := directory.Authenticate(q.tx, app, password, q.Now())
		return directory.Caller{ID: p.ID, AppID: p.AppID}, err == nil
	}
	return directory.Caller{}, true
}

// open verifies a token of this registry.
func (q *question) open(token, kind string) (ticket, bool) {
	t, err := q.key.open(token)
	now := q.Now().Unix()
	return t, err == nil && t.Audience == q.host && t.Kind == kind && t.NotBefore <= now && now < t.Expiry
}

// ping tells a client whether its token is good, or where to get one.
func (q *question) ping() (any, *azure.Error) {
	if _, ok := q.open(bearerToken(q.r), "access_token"); !ok {
		return nil, q.unauthorized()
	}
	return struct{}{}, nil
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// content answers for a repository. Every repository is empty: images are not stored here.
func (q *question) content(path string) (any, *azure.Error) {
	name, ok := repository(path)
	if !ok {
		return nil, &azure.Error{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "there is no /v2/" + path}
	}
	want := scope{"repository", name, []string{"pull"}}
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		want.Actions = []string{"pull", "push"}
	}
	t, ok := q.open(bearerToken(q.r), "access_token")
	if !ok || !t.covers(want) {
		return nil, q.unauthorized(want)
	}
	return nil, azure.RegistryNameUnknown.Format(azure.Fields{"repository": name})
}

// repository takes a repository's name out of a path of the distribution specification.
func repository(path string) (string, bool) {
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/list", "/referrers/"} {
		if i := strings.LastIndex(path, part); i > 0 {
			return path[:i], true
		}
	}
	return "", false
}

func badRequest(name, value string) *azure.Error {
	return &azure.Error{Status: http.StatusBadRequest, Code: "UNSUPPORTED", Message: fmt.Sprintf("the parameter %s=%q is not supported", name, value)}
}

// writeError answers in the form of the distribution specification.
func writeError(w http.ResponseWriter, e *azure.Error) {
	for k, v := range e.Header {
		w.Header()[k] = v
	}
	detail := []map[string]string{}
	for _, d := range e.Details {
		detail = append(detail, map[string]string{"Type": d.Code, "Name": d.Target, "Action": d.Message})
	}
	entry := map[string]any{"code": e.Code, "message": e.Message}
	if len(detail) > 0 {
		entry["detail"] = detail
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{entry}})
}

// rights are what an action of a scope needs: control-plane actions, or in ABAC mode data actions (azure-facts 2.3).
type right struct {
	action azure.Action
	data   azure.Action
}

var rights = map[string]right{
	"pull":          {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/repositories/content/read"},
	"push":          {"Microsoft.ContainerRegistry/registries/push/write", "Microsoft.ContainerRegistry/registries/repositories/content/write"},
	"delete":        {"Microsoft.ContainerRegistry/registries/artifacts/delete", "Microsoft.ContainerRegistry/registries/repositories/content/delete"},
	"metadata_read": {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/repositories/metadata/read"},
	"catalog":       {"Microsoft.ContainerRegistry/registries/pull/read", "Microsoft.ContainerRegistry/registries/catalog/read"},
}

// mayEnter reports whether a principal has any right on the registry: others get no refresh token.
func (q *question) mayEnter(c directory.Caller) bool {
	for _, need := range rights {
		if q.holds(c, need) {
			return true
		}
	}
	return false
}

func (q *question) holds(c directory.Caller, need right) bool {
	req := rbac.Request{Principal: c.ID, Groups: c.Groups, Action: need.action, Scope: q.registry.ID, At: q.Now()}
	if q.registry.abac() {
		req.Action, req.Data = need.data, true
	}
	return q.Policy().Decide(req).Outcome == rbac.Granted
}

// allowed decides every action of a scope; anybody may pull where anonymous pull is on.
func (q *question) allowed(c directory.Caller, s scope) bool {
	for _, action := range s.Actions {
		if s.Type == "registry" && s.Name == "catalog" {
			action = "catalog"
		}
		need, ok := rights[action]
		if !ok {
			return false
		}
		anonymous := action == "pull" && q.registry.Properties.AnonymousPull
		if !anonymous && (c.ID.IsZero() || !q.holds(c, need)) {
			return false
		}
	}
	return true
}

// scopes are the scopes a token is asked for, as type:name:action,action; several may stand in one parameter.
func (q *question) scopes() ([]scope, *azure.Error) {
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
