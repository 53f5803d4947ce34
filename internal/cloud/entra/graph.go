package entra

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// Microsoft Graph: everyone with a token may read the directory, its administrators may write it, and owners what they own.

const (
	maxGraphBody = 1 << 20 // bytes
	graphDate    = "2006-01-02T15:04:05"
)

// graphFaults are Graph's words for tokens that it does not accept.
var graphFaults = map[fault]*azure.Message{
	tokenMissing:   azure.GraphTokenEmpty,
	tokenMisplaced: azure.GraphTokenEmpty,
	tokenInvalid:   azure.GraphTokenMalformed,
	tokenAudience:  azure.GraphTokenAudience,
	tokenIssuer:    azure.GraphTokenMalformed,
	tokenEarly:     azure.GraphTokenNotYetValid,
	tokenExpired:   azure.GraphTokenExpired,
	tokenOvertaken: azure.GraphTokenExpired,
	tokenOrphaned:  azure.GraphIdentityNotFound,
	tokenRevoked:   azure.GraphTokenRevoked,
}

// graphRoute is a row of Graph's route table. In a path {set} is the name of a kind of objects, {id} and {member}
// are objects, or what belongs to one.
type graphRoute struct {
	method, path string
	access       access
	status       int // of a call that went well
	do           func(*graphCall) (any, *azure.Error)
}

// access is who may call a route.
type access uint8

const (
	byAll    access = iota // with a token
	byAdmins               // administrators of the directory
	byOwners               // they, and the object's owners
)

var graphRoutes = []graphRoute{
	{"GET", "me", byAll, 200, (*graphCall).me},
	{"GET", "me/ownedObjects", byAll, 200, (*graphCall).ownedObjects},
	{"GET", "organization", byAll, 200, (*graphCall).organization},
	{"POST", "directoryObjects/getByIds", byAll, 200, (*graphCall).getByIDs},
	{"GET", "{set}", byAll, 200, (*graphCall).list},
	{"POST", "{set}", byAdmins, 201, (*graphCall).create},
	{"GET", "{set}/{id}", byAll, 200, (*graphCall).get},
	{"PATCH", "{set}/{id}", byOwners, 204, (*graphCall).update},
	{"DELETE", "{set}/{id}", byOwners, 204, (*graphCall).remove},
	{"GET", "{set}/{id}/memberOf", byAll, 200, (*graphCall).memberOf},
	{"GET", "{set}/{id}/transitiveMemberOf", byAll, 200, (*graphCall).transitiveMemberOf},
	{"POST", "{set}/{id}/getMemberGroups", byAll, 200, (*graphCall).getMemberGroups},
	{"POST", "{set}/{id}/getMemberObjects", byAll, 200, (*graphCall).getMemberGroups},
	{"POST", "{set}/{id}/checkMemberGroups", byAll, 200, (*graphCall).checkMemberGroups},
	{"POST", "{set}/{id}/addPassword", byOwners, 200, (*graphCall).addPassword},
	{"POST", "{set}/{id}/removePassword", byOwners, 204, (*graphCall).removePassword},
	{"GET", "applications/{id}/federatedIdentityCredentials", byAll, 200, (*graphCall).federations},
	{"POST", "applications/{id}/federatedIdentityCredentials", byOwners, 201, (*graphCall).addFederation},
	{"GET", "applications/{id}/federatedIdentityCredentials/{member}", byAll, 200, (*graphCall).federation},
	{"PATCH", "applications/{id}/federatedIdentityCredentials/{member}", byOwners, 204, (*graphCall).changeFederation},
	{"DELETE", "applications/{id}/federatedIdentityCredentials/{member}", byOwners, 204, (*graphCall).removeFederation},
	{"GET", "{set}/{id}/owners", byAll, 200, (*graphCall).owners},
	{"POST", "{set}/{id}/owners/$ref", byOwners, 204, (*graphCall).addOwner},
	{"DELETE", "{set}/{id}/owners/{member}/$ref", byOwners, 204, (*graphCall).removeOwner},
	{"GET", "groups/{id}/members", byAll, 200, (*graphCall).members},
	{"POST", "groups/{id}/members/$ref", byOwners, 204, (*graphCall).addMember},
	{"DELETE", "groups/{id}/members/{member}/$ref", byOwners, 204, (*graphCall).removeMember},
}

// graphCall is one request to Graph inside its transaction.
type graphCall struct {
	*Service
	r          *http.Request
	tx         store.Tx
	root       string // https://host/v1.0
	path       string // below root, for links
	kind       *graphKind
	id, member string
	query      url.Values
	body       []byte
	password   *directory.Password // of the body, hashed before the transaction: that takes its time
	caller     directory.Principal
}

// graphError is the body of a refusal.
type graphError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Inner   struct {
		Date      string `json:"date"`
		RequestID string `json:"request-id"`
		ClientID  string `json:"client-request-id"`
	} `json:"innerError"`
}

func (s *Service) serveGraph(w http.ResponseWriter, r *http.Request) {
	requestID := azure.NewGUID().String()
	clientID := r.Header.Get("client-request-id")
	if _, err := azure.ParseGUID(clientID); err != nil {
		clientID = requestID
	}
	w.Header().Set("request-id", requestID)
	w.Header().Set("client-request-id", clientID)
	w.Header().Set("OData-Version", "4.0")
	w.Header().Set("Cache-Control", "no-cache")
	status, body, err := s.graph(w, r)
	switch {
	case err != nil:
		for k, v := range err.Header {
			w.Header()[k] = v
		}
		body := graphError{Code: err.Code, Message: err.Message}
		body.Inner.Date, body.Inner.RequestID, body.Inner.ClientID = s.Now().UTC().Format(graphDate), requestID, clientID
		writeJSON(w, err.Status, map[string]graphError{"error": body})
	case body == nil:
		w.WriteHeader(status)
	default:
		w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
		writeJSON(w, status, body)
	}
}

// graph authenticates, finds the route and runs it in one transaction.
func (s *Service) graph(w http.ResponseWriter, r *http.Request) (int, any, *azure.Error) {
	caller, refused := s.verify(r, graphAudiences(r))
	if refused != nil {
		return 0, nil, s.graphRefusal(refused)
	}
	version, path, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	c := &graphCall{Service: s, r: r, root: base(r) + "/" + version, path: path, query: r.URL.Query()}
	route, err := c.find(segments(path))
	if err != nil {
		return 0, nil, err
	}
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxGraphBody))
	if readErr != nil {
		return 0, nil, azure.GraphBody.Error()
	}
	c.body = body
	if route.access != byAll {
		c.password = c.hashPassword()
	}
	answer, err := c.run(route, caller)
	return route.status, answer, err
}

// run calls a route's handler if the caller may. What a refused call wrote is rolled back.
func (c *graphCall) run(route *graphRoute, caller directory.Caller) (answer any, refused *azure.Error) {
	transaction := c.Store.View
	if route.access != byAll {
		transaction = c.Store.Update
	}
	err := transaction(c.r.Context(), func(tx store.Tx) error {
		c.tx, answer, refused = tx, nil, nil
		p, gone, err := active(tx, caller)
		switch {
		case err != nil:
			return err
		case gone != nil:
			refused = c.graphRefusal(gone)
		default:
			c.caller = p
			if refused = c.admit(route); refused == nil {
				answer, refused = route.do(c)
			}
		}
		if refused != nil {
			return refused
		}
		return nil
	})
	if err != nil && (refused == nil || !errors.Is(err, refused)) {
		refused = c.internal(c.r, err, azure.GraphInternal)
	}
	return answer, refused
}

// admit reports whether the caller may call a route.
func (c *graphCall) admit(route *graphRoute) *azure.Error {
	if route.access == byAll || c.caller.Admin {
		return nil
	}
	if route.access == byOwners {
		e, err := c.lookup(c.kind, c.id)
		owns := false
		if err == nil {
			owns, err = directory.Owns(c.tx, directory.Ownership{Object: e.id(), Owner: c.caller.ID})
		}
		if owns {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return c.failed(err, c.id)
		}
	}
	return azure.GraphRequestDenied.Error()
}

// graphRefusal is Graph's refusal of a token.
func (s *Service) graphRefusal(r *refusal) *azure.Error {
	e := graphFaults[r.fault].Format(r.fields)
	challenge := `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="` + graphAppID + `"`
	if r.fault == tokenRevoked || r.fault == tokenOvertaken {
		challenge += `, errorDescription="` + e.Message + `", error="insufficient_claims", claims="` + s.claimsChallenge() + `"`
	}
	e.Header = http.Header{"Www-Authenticate": {challenge}}
	return e
}

// segments splits a path; an alternate key, as in servicePrincipals(appId='…'), is a segment of its own.
func segments(path string) []string {
	var parts []string
	for _, s := range strings.FieldsFunc(path, func(c rune) bool { return c == '/' }) {
		if open := strings.IndexByte(s, '('); open > 0 && strings.HasSuffix(s, ")") {
			parts = append(parts, s[:open])
			s = s[open:]
		}
		parts = append(parts, s)
	}
	return parts
}

// find looks a request up in the route table and fills in what its path names.
func (c *graphCall) find(parts []string) (*graphRoute, *azure.Error) {
	known := false
	for i := range graphRoutes {
		route := &graphRoutes[i]
		if !c.matches(route.path, parts) {
			continue
		}
		if route.method == c.r.Method {
			return route, nil
		}
		known = true
	}
	if known {
		return nil, azure.GraphMethodNotAllowed.Error()
	}
	last := ""
	if len(parts) > 0 {
		last = parts[len(parts)-1]
	}
	return nil, azure.GraphSegmentNotFound.Format(azure.Fields{"segment": last})
}

func (c *graphCall) matches(pattern string, parts []string) bool {
	names := strings.Split(pattern, "/")
	if len(names) != len(parts) {
		return false
	}
	c.kind = graphKindOf(parts[0])
	for i, name := range names {
		switch name {
		case "{set}":
			if c.kind == nil {
				return false
			}
		case "{id}":
			c.id = parts[i]
		case "{member}":
			c.member = parts[i]
		default:
			if !strings.EqualFold(name, parts[i]) {
				return false
			}
		}
	}
	return true
}

// failed tells errors of the store from what was not found.
func (c *graphCall) failed(err error, id string) *azure.Error {
	if errors.Is(err, store.ErrNotFound) {
		return azure.GraphNotFound.Format(azure.Fields{"id": id})
	}
	return c.internal(c.r, err, azure.GraphInternal)
}

// context is the annotation that says what an answer holds.
func (c *graphCall) context(what string) string { return c.root + "/$metadata#" + what }

// decodeBody reads the properties of a request's body. Any that T does not have is refused, unless it is null or
// empty, as az sends some; no keyCredentials are none. Annotations are not looked at.
func decodeBody[T any](c *graphCall) (T, *azure.Error) {
	var v T
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(c.body, &properties); err != nil || properties == nil {
		return v, azure.GraphBody.Error()
	}
	for name, value := range properties {
		if nothing := string(value); strings.Contains(name, "@") || nothing == "null" || nothing == "[]" && name != "keyCredentials" {
			delete(properties, name)
		}
	}
	body, _ := json.Marshal(properties) // they came from JSON
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return v, c.invalid(strings.ToLower(wrong.Field[:1]) + wrong.Field[1:])
		}
		if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return v, azure.GraphInvalidProperty.Format(azure.Fields{"property": strings.Trim(name, `"`)})
		}
		return v, azure.GraphBody.Error()
	}
	return v, nil
}

func (c *graphCall) invalid(property string) *azure.Error {
	return azure.GraphInvalidValue.Format(azure.Fields{"property": property, "resource": c.kind.resource()})
}

func (c *graphCall) required(property string) *azure.Error {
	return azure.GraphRequired.Format(azure.Fields{"property": property, "resource": c.kind.resource()})
}

// timestamp is a time as Graph prints it, or null.
func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
