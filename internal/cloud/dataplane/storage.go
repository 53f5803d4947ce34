package dataplane

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// account is a storage account, as its resource provider describes it.
type account = resource[struct {
	SharedKey *bool  `json:"allowSharedKeyAccess"` // null: allowed
	Public    string `json:"publicNetworkAccess"`
	Rules     *rules `json:"networkAcls"`
}]

const (
	storageAudience = "https://storage.azure.com"
	maxStorageBody  = 512 << 10        // bytes of a request: a message of 64 KiB, escaped
	clockSkew       = 15 * time.Minute // that a signed request's date may be off
)

// storageCall is one request to a storage account.
type storageCall struct {
	*Service
	w       http.ResponseWriter
	r       *http.Request
	account *account
	name    string
	caller  directory.Caller
	owner   bool   // holds the account's key
	request string // its id, in answers
	query   url.Values
}

// serveStorage serves <account>.queue.core.windows.net (Microsoft Learn: Queue service REST API).
func (s *Service) serveStorage(w http.ResponseWriter, r *http.Request, name string) {
	name, kind, _ := strings.Cut(name, ".")
	c := &storageCall{Service: s, w: w, r: r, name: name, request: azure.NewGUID().String(), query: r.URL.Query()}
	h := w.Header()
	h.Set("X-Ms-Request-Id", c.request)
	h.Set("X-Content-Type-Options", "nosniff")
	if v := r.Header.Get("X-Ms-Version"); v != "" {
		h.Set("X-Ms-Version", v)
	}
	err := c.enter()
	if err == nil && kind != "queue" {
		err = &azure.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "Of storage accounts the local Azure serves queues, not the " + kind + " service."}
	}
	if err == nil {
		err = c.serveQueue()
	}
	if err != nil {
		c.refuse(err)
	}
}

// enter finds the account, and refuses clients by their network, then by who they are.
func (c *storageCall) enter() error {
	err := c.Store.View(c.r.Context(), func(tx store.Tx) (err error) {
		c.account, err = find[account](tx, "storage:"+c.name)
		return err
	})
	if err != nil {
		return err
	}
	if c.account == nil {
		return &azure.Error{Status: http.StatusNotFound, Code: "AccountNotFound", Message: "The storage account " + c.name + " does not exist; in Azure its name would not resolve."}
	}
	if c.account.Properties.Rules.reach(c.r, c.account.Properties.Public) != reached {
		return azure.StorageAuthorizationFailure.Error()
	}
	scheme, credential, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return c.bearer()
	case strings.EqualFold(scheme, "SharedKey"):
		return c.sharedKey(credential)
	case scheme != "" || c.query.Has("sig"):
		return azure.StorageAuthenticationFailed.Error() // SharedKeyLite and signatures in URLs are not served
	}
	return c.challenge(azure.StorageNoAuthentication.Error())
}

// challenge adds where to get a token.
func (c *storageCall) challenge(e *azure.Error) error {
	e.Header = http.Header{"Www-Authenticate": {fmt.Sprintf("Bearer authorization_uri=%s%s/oauth2/authorize resource_id=%s", azure.Clouds[0].Authority, c.Tenant, storageAudience)}}
	return e
}

func (c *storageCall) bearer() error {
	own := "https://" + hostOf(c.r.Host)
	caller, refused := c.Verify(c.r, storageAudience, storageAudience+"/", own, own+"/")
	if refused == nil {
		err := c.Store.View(c.r.Context(), func(tx store.Tx) error {
			refused = c.Active(tx, caller)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if refused != nil {
		return c.challenge(azure.StorageInvalidAuthentication.Error())
	}
	c.caller = caller
	return nil
}

// sharedKey checks a request's signature with the account's keys (Microsoft Learn: authorize with Shared Key).
func (c *storageCall) sharedKey(credential string) error {
	if allowed := c.account.Properties.SharedKey; allowed != nil && !*allowed {
		return azure.StorageKeyNotPermitted.Error()
	}
	user, signature, _ := strings.Cut(credential, ":")
	date := c.r.Header.Get("X-Ms-Date")
	if date == "" {
		date = c.r.Header.Get("Date")
	}
	at, err := http.ParseTime(date)
	if user != c.name || err != nil || c.Clients().Sub(at).Abs() > clockSkew {
		return azure.StorageAuthenticationFailed.Error()
	}
	text := c.signedText()
	for _, key := range c.account.Own.Keys {
		secret, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		if same(base64.StdEncoding.EncodeToString(mac.Sum(nil)), signature) {
			c.owner = true
			return nil
		}
	}
	return azure.StorageAuthenticationFailed.Error()
}

// signedText is what a shared key signs of a request.
func (c *storageCall) signedText() string {
	h := c.r.Header
	length := h.Get("Content-Length")
	if length == "" && c.r.ContentLength > 0 {
		length = fmt.Sprint(c.r.ContentLength)
	}
	if length == "0" {
		length = ""
	}
	date := h.Get("Date")
	if h.Get("X-Ms-Date") != "" {
		date = ""
	}
	lines := []string{c.r.Method, h.Get("Content-Encoding"), h.Get("Content-Language"), length, h.Get("Content-Md5"), h.Get("Content-Type"), date,
		h.Get("If-Modified-Since"), h.Get("If-Match"), h.Get("If-None-Match"), h.Get("If-Unmodified-Since"), h.Get("Range")}
	var own []string
	for k, v := range h {
		if k := strings.ToLower(k); strings.HasPrefix(k, "x-ms-") {
			own = append(own, k+":"+strings.TrimSpace(strings.Join(v, ",")))
		}
	}
	slices.Sort(own)
	return strings.Join(append(append(lines, own...), c.signedResource()), "\n")
}

func (c *storageCall) signedResource() string {
	path := c.r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var parameters []string
	for k, v := range c.query {
		values := slices.Sorted(slices.Values(v))
		parameters = append(parameters, strings.ToLower(k)+":"+strings.Join(values, ","))
	}
	slices.Sort(parameters)
	return strings.Join(append([]string{"/" + c.name + path}, parameters...), "\n")
}

// storageRight is an action that a call needs: of the control plane, or on data.
type storageRight struct {
	action azure.Action // below Microsoft.Storage/storageAccounts/
	data   bool
}

// authorize wants all rights of one of the alternatives on a scope. Whoever holds the key may do everything.
func (c *storageCall) authorize(scope azure.ID, alternatives [][]storageRight, attributes map[string]any) error {
	if c.owner {
		return nil
	}
	for _, all := range alternatives {
		missing := slices.ContainsFunc(all, func(r storageRight) bool {
			return !c.may(c.caller, "Microsoft.Storage/storageAccounts/"+r.action, r.data, scope, rbac.Attributes{Resource: attributes})
		})
		if !missing {
			return nil
		}
	}
	return azure.StoragePermissionMismatch.Error()
}

// readXML reads the request's body.
func (c *storageCall) readXML(v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxStorageBody))
	if err != nil {
		return err
	}
	if xml.Unmarshal(b, v) != nil {
		return azure.StorageInvalidXML.Error()
	}
	return nil
}

// xmlHead begins every XML answer of Storage.
const xmlHead = "\ufeff" + `<?xml version="1.0" encoding="utf-8"?>`

func (c *storageCall) reply(status int, v any) error {
	if v == nil {
		c.w.WriteHeader(status)
		return nil
	}
	b, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, xmlHead+strings.ReplaceAll(string(b), "&#xA;", "\n")) // line breaks as Storage writes them
	return nil
}

// refuse answers with an error in Storage's form.
func (c *storageCall) refuse(err error) {
	e, ok := errors.AsType[*azure.Error](err)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		e, ok = azure.StorageBodyTooLarge.Error(), true
	}
	if !ok || e.Status == http.StatusInternalServerError {
		c.Log.Error("request failed", "method", c.r.Method, "host", c.r.Host, "path", c.r.URL.Path, "error", err)
		e = &azure.Error{Status: http.StatusInternalServerError, Code: "InternalError", Message: "Server encountered an internal error. Please try again after some time."}
	}
	for k, v := range e.Header {
		c.w.Header()[k] = v
	}
	c.w.Header().Set("X-Ms-Error-Code", e.Code)
	_ = c.reply(e.Status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: e.Code, Message: fmt.Sprintf("%s\nRequestId:%s\nTime:%s", e.Message, c.request, c.Now().UTC().Format(acrTime))})
}
