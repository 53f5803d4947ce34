package dataplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// vault is a key vault, as its resource provider describes it.
type vault = resource[struct {
	Tenant    azure.GUID     `json:"tenantId"`
	RBAC      bool           `json:"enableRbacAuthorization"`
	Policies  []accessPolicy `json:"accessPolicies"`
	Public    string         `json:"publicNetworkAccess"`
	Rules     *rules         `json:"networkAcls"`
	Retention int            `json:"softDeleteRetentionInDays"`
	Protected bool           `json:"enablePurgeProtection"`
}]

// accessPolicy gives a principal permissions on a vault that is not in RBAC mode.
type accessPolicy struct {
	Object      azure.GUID          `json:"objectId"`
	Permissions map[string][]string `json:"permissions"` // by keys, secrets …
}

const (
	vaultSuffix   = ".vault.azure.net"
	vaultAudience = "https://vault.azure.net"
	vaultAppID    = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
	maxVaultBody  = 256 << 10 // bytes of a request: a value of 25,600 characters, escaped
)

// objectName is what secrets and keys can be called (Microsoft Learn: Key Vault, object identifiers).
var objectName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// vaultOp is an operation of a vault's data plane.
type vaultOp struct {
	action     azure.Action // data action, below Microsoft.KeyVault/vaults/
	permission string       // of access policies
	writes     bool
	prepare    func(*vaultCall) error // work that takes long, before the transaction
	do         func(*vaultCall, store.Tx) (any, error)
	status     int // 200 where zero
}

// vaultCall is one request to a vault.
type vaultCall struct {
	*Service
	w       http.ResponseWriter
	r       *http.Request
	vault   *vault
	name    string
	caller  directory.Caller
	op      vaultOp
	kind    *objectKind
	object  string // name of the secret or key; "" for the collection
	version string // "" for the current one
	body    []byte
	made    any // by prepare
}

// serveVault serves <vault>.vault.azure.net (azure-rest-api-specs: keyvault data-plane 7.x).
func (s *Service) serveVault(w http.ResponseWriter, r *http.Request, name string) {
	c := &vaultCall{Service: s, w: w, r: r, name: name}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", azure.NewGUID().String())
	h.Set("X-Ms-Keyvault-Service-Version", "1.9.0.0")
	body, err := c.serve()
	if err != nil {
		c.refuse(err)
		return
	}
	if c.op.status == http.StatusNoContent {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeVault(w, http.StatusOK, body)
}

// serve goes as Key Vault does: who is it, may it come from there, what does it want, may it.
func (c *vaultCall) serve() (any, error) {
	if err := c.find(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{c.authenticate, c.reach, c.route, c.authorize, c.read} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if c.op.prepare != nil {
		if err := c.op.prepare(c); err != nil {
			return nil, err
		}
	}
	var body any
	work := func(tx store.Tx) (err error) {
		body, err = c.op.do(c, tx)
		return err
	}
	if c.op.writes {
		err := c.Store.Update(c.r.Context(), work)
		return body, err
	}
	err := c.Store.View(c.r.Context(), work)
	return body, err
}

// find reads the vault. Of one that is not there, or deleted, no name resolves in Azure.
func (c *vaultCall) find() error {
	err := c.Store.View(c.r.Context(), func(tx store.Tx) (err error) {
		c.vault, err = find[vault](tx, "vault:"+c.name)
		return err
	})
	if err == nil && c.vault == nil {
		err = &azure.Error{Status: http.StatusNotFound, Code: "VaultNotFound", Message: "The vault " + c.name + " does not exist; in Azure its name would not resolve."}
	}
	return err
}

// authenticate checks the token; a request without one learns where to get it.
func (c *vaultCall) authenticate() error {
	audiences := []string{vaultAudience, vaultAudience + "/", vaultAppID}
	caller, refused := c.Verify(c.r, audiences...)
	if refused == nil {
		c.caller = caller
		err := c.Store.View(c.r.Context(), func(tx store.Tx) error {
			refused = c.Active(tx, caller)
			return nil
		})
		if err != nil || refused == nil {
			return err
		}
	}
	told := azure.VaultTokenInvalid.Error()
	switch refused.Code {
	case azure.AuthenticationMissing.Code, azure.AuthenticationInvalidHeader.Code:
		told = azure.VaultTokenMissing.Error()
	case azure.InvalidAuthenticationTokenAudience.Code:
		for m := range azure.InvalidAuthenticationTokenAudience.Scan(refused.Message) {
			told = azure.VaultTokenAudience.Format(azure.Fields{"audience": m.Fields["audience"]})
		}
	}
	told.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(`Bearer authorization="%s%s", resource="%s"%s`, azure.Clouds[0].Authority, c.Tenant, vaultAudience, renewal(refused))}}
	return told
}

// renewal is the end of the challenge that asks for a new token, where that is why one was refused.
func renewal(refused *azure.Error) string {
	challenge := refused.Header.Get("Www-Authenticate")
	if at := strings.Index(challenge, `, claims="`); at >= 0 {
		return `, error="insufficient_claims"` + challenge[at:]
	}
	return ""
}

// reach refuses clients that the network rules keep out.
func (c *vaultCall) reach() error {
	p := &c.vault.Properties
	switch p.Rules.reach(c.r, p.Public) {
	case fenced:
		return azure.VaultForbiddenByConnection.Format(c.fields())
	case filtered:
		return azure.VaultForbiddenByFirewall.Format(c.fields())
	}
	return nil
}

// fields are what the refusals say of the caller and the vault.
func (c *vaultCall) fields() azure.Fields {
	return azure.Fields{"app": c.caller.AppID.String(), "oid": c.caller.ID.String(), "issuer": "https://sts.windows.net/" + c.Tenant.String() + "/",
		"vault": c.vault.ID.Name(), "location": c.vault.Location, "ip": clientIP(c.r)}
}

// verbs are the words that stand behind an object's name, or behind its version, instead of a version.
var verbs = []string{"versions", "create", "recover", "encrypt", "decrypt", "wrapkey", "unwrapkey"}

// route takes the path apart: collection[/name[/version or verb[/verb]]].
func (c *vaultCall) route() error {
	if c.r.URL.Query().Get("api-version") == "" {
		return badParameter("api-version must be specified")
	}
	segments := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	shape := strings.ToLower(segments[0])
	for at, s := range segments[1:] {
		verb := strings.ToLower(s)
		switch {
		case at == 0:
			c.object, shape = s, shape+"/name"
		case slices.Contains(verbs, verb):
			shape += "/" + verb
		case at == 1:
			c.version = strings.ToLower(s)
		default:
			shape += "/?"
		}
	}
	kind := objectKinds[strings.TrimPrefix(strings.ToLower(segments[0]), "deleted")]
	op, ok := vaultOps[c.r.Method+" "+shape]
	switch {
	case kind == nil || !ok:
		return &azure.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "The local Azure's vaults do not serve " + c.r.Method + " " + c.r.URL.Path + "."}
	case c.object != "" && !objectName.MatchString(c.object):
		return badParameter("The request URI contains an invalid name: " + c.object)
	}
	c.kind, c.op = kind, op
	return nil
}

// authorize decides on a data action in RBAC mode, on the access policies otherwise.
func (c *vaultCall) authorize() error {
	if !c.vault.Properties.RBAC {
		return c.authorizeByPolicy()
	}
	scope := c.vault.ID
	if c.object != "" {
		scope = scope.Join(c.kind.collection, c.object)
	}
	action := "Microsoft.KeyVault/vaults/" + c.op.action
	if c.may(c.caller, action, true, scope, rbac.Attributes{}) {
		return nil
	}
	f := c.fields()
	f["action"], f["scope"] = string(action), scope.Key()
	return azure.VaultForbiddenByRBAC.Format(f)
}

func (c *vaultCall) authorizeByPolicy() error {
	groups := c.caller.Groups
	if groups == nil {
		groups = c.Policy().GroupsAt(c.caller.ID, c.Now())
	}
	for _, p := range c.vault.Properties.Policies {
		if p.Object != c.caller.ID && !slices.Contains(groups, p.Object) {
			continue
		}
		for kind, permissions := range p.Permissions {
			if strings.EqualFold(kind, c.kind.collection) && slices.ContainsFunc(permissions, func(have string) bool {
				return strings.EqualFold(have, c.op.permission) || strings.EqualFold(have, "all")
			}) {
				return nil
			}
		}
	}
	f := c.fields()
	f["permission"] = c.kind.collection + " " + c.op.permission
	return azure.VaultAccessDenied.Format(f)
}

func (c *vaultCall) read() (err error) {
	c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxVaultBody))
	return err
}

// decode reads the request's body; names are matched without case.
func (c *vaultCall) decode(v any) error {
	if err := json.Unmarshal(c.body, v); err != nil {
		return badParameter("The request body is not valid JSON")
	}
	return nil
}

func badParameter(problem string) error {
	return &azure.Error{Status: http.StatusBadRequest, Code: "BadParameter", Message: problem}
}

// vaultError is an error on the wire.
type vaultError struct {
	Code    string      `json:"code"`
	Message string      `json:"message,omitempty"`
	Inner   *vaultError `json:"innererror,omitempty"`
}

// refuse answers with an error in Key Vault's form. Of a 403 and a 409 the code is the inner one.
func (c *vaultCall) refuse(err error) {
	e, ok := errors.AsType[*azure.Error](err)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		e, ok = &azure.Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "The request body is too large."}, true
	}
	if !ok || e.Status == http.StatusInternalServerError {
		c.Log.Error("request failed", "method", c.r.Method, "vault", c.name, "path", c.r.URL.Path, "error", err)
		e = &azure.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "An internal error occurred."}
	}
	body := vaultError{Code: e.Code, Message: e.Message}
	if outer, ok := map[int]string{http.StatusForbidden: "Forbidden", http.StatusConflict: "Conflict"}[e.Status]; ok {
		body.Code, body.Inner = outer, &vaultError{Code: e.Code}
	}
	for k, v := range e.Header {
		c.w.Header()[k] = v
	}
	writeVault(c.w, e.Status, object{"error": body})
}

func writeVault(w http.ResponseWriter, status int, body any) {
	b, _ := json.Marshal(body) // of texts and numbers
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
