package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

// canned answers "METHOD path?query" with a status and a body, and records the bodies it was sent.
type canned struct {
	answers map[string]string // "200 {…}"
	sent    map[string]string
}

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.Path
	if q := r.URL.Query().Get("$filter"); q != "" {
		key += " " + q
	}
	body, _ := io.ReadAll(r.Body)
	if c.sent == nil {
		c.sent = map[string]string{}
	}
	c.sent[key] = r.Header.Get("Authorization") + " " + string(body)
	status, answer, _ := strings.Cut(c.answers[key], " ")
	code := 404
	fmt.Sscan(status, &code)
	w.WriteHeader(code)
	io.WriteString(w, answer)
}

func TestToken(t *testing.T) {
	tenant := azure.MustGUID("33333333-3333-3333-3333-333333333333")
	path := "POST /" + tenant.String() + "/oauth2/v2.0/token"
	c := &canned{answers: map[string]string{path: `200 {"access_token":"tok"}`}}
	a := find(t, c)
	got, err := a.Token(context.Background(), a.Operator)
	if err != nil || got != "tok" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, want := range []string{"client_secret=s3cret", "grant_type=client_credentials", "%2F%2F.default", a.Operator.ClientID.String()} {
		if !strings.Contains(c.sent[path], want) {
			t.Errorf("%q was not sent in %q", want, c.sent[path])
		}
	}
	c.answers[path] = `401 {"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret.\r\nTrace ID: x"}`
	_, err = a.Token(context.Background(), a.Operator)
	var e *azure.Error
	if !errors.As(err, &e) || e.Status != 401 || e.Code != "invalid_client" || e.Message != "AADSTS7000215: Invalid client secret." {
		t.Errorf("refusal: %#v", err)
	}
}

func TestMachineToken(t *testing.T) {
	c := &canned{answers: map[string]string{"GET /_aksid/v1/imds" + machine + "/metadata/identity/oauth2/token": `200 {"access_token":"tok"}`}}
	got, err := find(t, c).MachineToken(context.Background(), azure.MustID(machine))
	if err != nil || got != "tok" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPrincipals(t *testing.T) {
	const id = "44444444-4444-4444-4444-444444444444"
	one := `200 {"value":[{"id":"` + id + `","appId":"55555555-5555-5555-5555-555555555555","displayName":"p","servicePrincipalType":"Application"}]}`
	const list = "GET /v1.0/servicePrincipals "
	for _, test := range []struct {
		name    string
		answers map[string]string
	}{
		{"o'neil", map[string]string{list + "displayName eq 'o''neil'": one}},
		{id, map[string]string{list + "servicePrincipalNames/any(c:c eq '" + id + "')": one}},
		{id, map[string]string{list + "servicePrincipalNames/any(c:c eq '" + id + "')": `200 {"value":[]}`, list + "id eq '" + id + "'": one}},
	} {
		got, err := find(t, &canned{answers: test.answers}).Principals(context.Background(), "tok", test.name)
		if err != nil || len(got) != 1 || got[0].ID.String() != id || got[0].Name != "p" || got[0].Type != "Application" {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
	}
	if got, err := find(t, &canned{answers: map[string]string{list + "displayName eq 'x'": `200 {"value":[]}`}}).Principals(context.Background(), "tok", "x"); err != nil || len(got) != 0 {
		t.Errorf("nobody: %+v, %v", got, err)
	}
}

func TestSecrets(t *testing.T) {
	id, key := azure.NewGUID(), azure.NewGUID()
	add, remove := "POST /v1.0/servicePrincipals/"+id.String()+"/addPassword", "POST /v1.0/servicePrincipals/"+id.String()+"/removePassword"
	c := &canned{answers: map[string]string{add: `200 {"keyId":"` + key.String() + `","secretText":"s"}`, remove: "204 "}}
	a := find(t, c)
	s, err := a.AddSecret(context.Background(), "tok", id, "aksid exec", time.Unix(0, 0))
	if err != nil || s.KeyID != key || s.Text != "s" {
		t.Fatalf("%+v, %v", s, err)
	}
	auth, sent, _ := strings.Cut(strings.TrimPrefix(c.sent[add], "Bearer "), " ")
	var body struct {
		PasswordCredential struct{ DisplayName, EndDateTime string }
	}
	if err := json.Unmarshal([]byte(sent), &body); err != nil || auth != "tok" || body.PasswordCredential.EndDateTime != "1970-01-01T00:00:00Z" {
		t.Errorf("sent %q %q, %v", auth, sent, err)
	}
	if err := a.RemoveSecret(context.Background(), "tok", id, key); err != nil || !strings.Contains(c.sent[remove], key.String()) {
		t.Errorf("removed with %q, %v", c.sent[remove], err)
	}
}

func TestVisibleSubscriptions(t *testing.T) {
	a := find(t, &canned{answers: map[string]string{"GET /subscriptions": `200 {"value":[{"subscriptionId":"a"},{"subscriptionId":"b"}]}`}})
	got, err := a.VisibleSubscriptions(context.Background(), "tok")
	if err != nil || len(got) != 2 || got[0] != "a" || got[1] != "b" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestRefusal(t *testing.T) {
	for _, test := range []struct{ answer, code, message string }{
		{`403 {"error":{"code":"AuthorizationFailed","message":"The client"}}`, "AuthorizationFailed", "The client"},
		{`502 the gateway is unwell`, "Bad Gateway", "the gateway is unwell"},
		{`500 {"error":[1]}`, "Internal Server Error", `{"error":[1]}`},
		{`500 `, "Internal Server Error", ""},
	} {
		a := find(t, &canned{answers: map[string]string{"GET /x": test.answer}})
		var e *azure.Error
		if err := a.Call(context.Background(), "tok", http.MethodGet, "/x", nil, nil); !errors.As(err, &e) || e.Code != test.code || e.Message != test.message {
			t.Errorf("%s: %#v", test.answer, err)
		}
	}
	a := find(t, &canned{answers: map[string]string{"GET /x": "200 no JSON"}})
	if err := a.Call(context.Background(), "tok", http.MethodGet, "/x", nil, &struct{}{}); err == nil || !strings.Contains(err.Error(), "GET /x") {
		t.Errorf("an answer that is no JSON: %v", err)
	}
}
