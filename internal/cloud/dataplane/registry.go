package dataplane

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocifilter"
	"cuelabs.dev/go/oci/ociregistry/ociserver"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// registry is a container registry, as its resource provider describes it.
type registry = resource[struct {
	LoginServer   string `json:"loginServer"`
	AdminUser     bool   `json:"adminUserEnabled"`
	AnonymousPull bool   `json:"anonymousPullEnabled"`
	Mode          string `json:"roleAssignmentMode"`
	Public        string `json:"publicNetworkAccess"`
	Rules         *rules `json:"networkRuleSet"`
	Policies      struct {
		ARM struct {
			Status string `json:"status"`
		} `json:"azureADAuthenticationAsArmPolicy"`
	} `json:"policies"`
}]

const (
	maxForm       = 64 << 10 // bytes, of a form or another small body
	maxRepository = 255      // characters of a repository's name (distribution specification)
)

// serveRegistry serves <registry>.azurecr.io: Entra tokens are exchanged for the registry's own, and those for access
// tokens that name what they allow (github.com/Azure/acr: docs/AAD-OAuth.md; distribution: token authentication),
// which open the distribution API and ACR's own under /acr/v1.
func (s *Service) serveRegistry(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("X-Ms-Correlation-Request-Id", azure.NewGUID().String())
	w.Header().Set("X-Content-Type-Options", "nosniff")
	q := &question{Service: s, w: w, r: r, host: hostOf(r.Host)}
	err := s.Store.View(r.Context(), func(tx store.Tx) (err error) {
		q.registry, err = find[registry](tx, "registry:"+name)
		return err
	})
	switch {
	case err != nil:
	case q.registry == nil:
		err = &azure.Error{Status: http.StatusNotFound, Code: "NAME_UNKNOWN", Message: "the registry " + q.host + " does not exist"}
	case q.registry.Properties.Rules.reach(r, q.registry.Properties.Public) != reached:
		err = azure.RegistryFirewall.Format(azure.Fields{"ip": clientIP(r)})
	default:
		err = q.answer()
	}
	if err != nil {
		q.refuse(w, r, err)
	}
}

// question is one request to a registry.
type question struct {
	*Service
	w        http.ResponseWriter
	r        *http.Request
	host     string
	registry *registry
}

// answer writes the answer, or returns why not.
func (q *question) answer() error {
	post := q.r.Method == http.MethodPost
	switch path := strings.TrimSuffix(q.r.URL.Path, "/"); {
	case path == "/oauth2/exchange" && post:
		return q.issue((*question).exchange)
	case path == "/oauth2/token" && (post || q.r.Method == http.MethodGet):
		return q.issue((*question).token)
	case path == "/v2":
		return q.ping()
	case path == "/v2/_catalog":
		return q.catalog()
	case strings.HasPrefix(path, "/v2/"):
		return q.distribution()
	case strings.HasPrefix(path, "/acr/v1/"):
		return q.metadata(strings.TrimPrefix(path, "/acr/v1/"))
	}
	return errNoPath(q.r)
}

func errNoPath(r *http.Request) error {
	return &azure.Error{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "there is no " + r.Method + " " + r.URL.Path}
}

// issue answers with a token.
func (q *question) issue(token func(*question, store.Tx) (any, error)) error {
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, maxForm)
	_ = q.r.ParseForm() // what cannot be read is missing
	var body any
	err := q.Store.View(q.r.Context(), func(tx store.Tx) (err error) {
		body, err = token(q, tx)
		return err
	})
	if err != nil {
		return err
	}
	return q.reply(http.StatusOK, body)
}

func (q *question) reply(status int, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(append(b, '\n'))
	return nil
}

// ping tells a client whether its token is good, or where to get one.
func (q *question) ping() error {
	if _, err := q.access(); err != nil {
		return err
	}
	return q.reply(http.StatusOK, struct{}{})
}

// unauthorized is the registry's 401, with the challenge that tells a client where to get a token.
func (q *question) unauthorized(scopes ...scope) error {
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

// needs are the actions of a scope that a method of the distribution API needs.
var needs = map[ocifilter.AccessKind][]string{
	ocifilter.AccessRead:   {"pull"},
	ocifilter.AccessWrite:  {"pull", "push"},
	ocifilter.AccessDelete: {"delete"},
	ocifilter.AccessList:   {"metadata_read"},
}

// images are the registry's repositories, behind what an access token allows.
func (q *question) images(allows ticket) (*images, ociregistry.Interface) {
	i := &images{Service: q.Service, content: q.registry.Own.Content}
	return i, ocifilter.AccessChecker(i, func(repo string, kind ocifilter.AccessKind) error {
		if len(repo) > maxRepository {
			return ociregistry.ErrNameInvalid
		}
		want := scope{"repository", repo, needs[kind]}
		if allows.covers(want) || kind == ocifilter.AccessList && allows.covers(scope{"repository", repo, []string{"pull"}}) {
			return nil
		}
		return q.unauthorized(want)
	})
}

// distribution serves the API of the distribution specification. Which repository a request is about, and thereby what
// it needs, is decided where the request is read: in one place.
func (q *question) distribution() error {
	allows, _ := q.access() // without, everything is refused, with the scope that it needs
	backend, checked := q.images(allows)
	q.fallBackToUpload(checked)
	if q.r.Method == http.MethodPut && strings.Contains(q.r.URL.Path, "/manifests/") {
		if err := q.readManifest(); err != nil {
			return err
		}
	}
	ociserver.New(checked, &ociserver.Options{WriteError: q.refuse, DebugID: backend.content.String()}).ServeHTTP(q.w, q.r)
	return nil
}

// readManifest bounds a manifest's size and refuses what is none, before it is looked into further. What does not arrive
// whole is none either, but whether the client may push is said first: clients that try again with another token may send
// what they have no more.
func (q *question) readManifest() error {
	raw, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxManifest))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return err
	} else if err != nil {
		q.r.Body = io.NopCloser(strings.NewReader("{}"))
		return nil
	}
	q.r.Body = io.NopCloser(bytes.NewReader(raw))
	_, err = parseManifest(raw, q.r.Header.Get("Content-Type"))
	return err
}

// fallBackToUpload makes the mount of a blob that cannot be mounted an upload, as the distribution specification wants.
func (q *question) fallBackToUpload(checked ociregistry.Interface) {
	query := q.r.URL.Query()
	from, d := query.Get("from"), ociregistry.Digest(query.Get("mount"))
	if q.r.Method != http.MethodPost || from == "" || d == "" {
		return
	}
	if _, err := checked.ResolveBlob(q.r.Context(), from, d); err != nil {
		query.Del("from")
		query.Del("mount")
		q.r.URL.RawQuery = query.Encode()
	}
}

// statuses are those of codes that are ACR's own.
var statuses = map[string]int{
	azure.RegistryTagUnknown.Code: azure.RegistryTagUnknown.Status,
	azure.RegistryDisallowed.Code: azure.RegistryDisallowed.Status,
}

// refuse answers with an error in the form of the distribution specification. One that is neither Azure's nor the
// specification's is a fault of ours.
func (q *question) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, detail := registryError(err)
	if e == nil {
		if r.Context().Err() == nil { // otherwise the client left
			q.Log.Error("request failed", "method", r.Method, "host", q.host, "path", r.URL.Path, "error", err)
		}
		e = &azure.Error{Status: http.StatusServiceUnavailable, Code: "UNAVAILABLE", Message: "The service is temporarily unavailable."}
	}
	writeRegistryError(w, e, detail)
}

// registryError is what a client is told of an error; nil for one that is not the client's business.
func registryError(err error) (e *azure.Error, detail any) {
	if e, ok := errors.AsType[*azure.Error](err); ok {
		return e, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &azure.Error{Status: http.StatusRequestEntityTooLarge, Code: "SIZE_INVALID", Message: "the content is larger than is allowed"}, nil
	}
	body, status := ociregistry.MarshalError(err)
	var wire ociregistry.WireErrors
	if json.Unmarshal(body, &wire) != nil || len(wire.Errors) != 1 {
		return nil, nil
	}
	said := wire.Errors[0]
	if s, ok := statuses[said.Code_]; ok {
		status = s
	}
	if status == http.StatusInternalServerError {
		return nil, nil
	}
	if said.Detail_ != nil {
		detail = said.Detail_
	}
	return &azure.Error{Status: status, Code: said.Code_, Message: said.Message}, detail
}

func writeRegistryError(w http.ResponseWriter, e *azure.Error, detail any) {
	for k, v := range e.Header {
		w.Header()[k] = v
	}
	var list []struct{ Type, Name, Action string }
	for _, d := range e.Details {
		list = append(list, struct{ Type, Name, Action string }{d.Code, d.Target, d.Message})
	}
	if list != nil {
		detail = list
	}
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail,omitempty"`
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []entry{{e.Code, e.Message, detail}}})
}

// Lifetimes of the registry's own tokens.
const (
	refreshLife = 3 * time.Hour
	accessLife  = 75 * time.Minute
)
