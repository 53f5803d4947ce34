package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
)

// maxAnswer bounds an answer, in bytes: the largest is an export.
const maxAnswer = 256 << 20

// Principal is a service principal of the directory, as Microsoft Graph shows it.
type Principal struct {
	ID           azure.PrincipalID `json:"id"`
	AppID        azure.GUID        `json:"appId"`
	Name         string            `json:"displayName"`
	Type         string            `json:"servicePrincipalType"` // Application or ManagedIdentity
	Alternatives []string          `json:"alternativeNames"`
}

// Resource is the id of the resource that carries a managed identity, which is among its alternative names, or "".
func (p Principal) Resource() string {
	for _, name := range p.Alternatives {
		if strings.HasPrefix(name, "/") {
			return name
		}
	}
	return ""
}

// Secret is a client secret that was just made.
type Secret struct {
	KeyID azure.GUID `json:"keyId"`
	Name  string     `json:"displayName"`
	Text  string     `json:"secretText"` // told once, by AddSecret
}

// Token gets an access token for this cloud's resource manager and Graph with a client secret.
func (a *Azure) Token(ctx context.Context, c Credential) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.ClientID.String()}, "client_secret": {c.Secret},
		"scope": {a.Cloud().Audience + "/.default"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/"+c.Tenant.String()+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.token(req)
}

// MachineToken gets the same for the identity of a machine: from its metadata service, without naming an identity.
func (a *Azure) MachineToken(ctx context.Context, machine azure.ID) (string, error) {
	return a.MachineTokenFor(ctx, machine, a.Cloud().Audience)
}

// MachineTokenFor is MachineToken for another service, as https://vault.azure.net.
func (a *Azure) MachineTokenFor(ctx context.Context, machine azure.ID, resource string) (string, error) {
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {resource}}
	at := a.imds(machine).JoinPath("metadata/identity/oauth2/token")
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Metadata", "true")
	req.Header.Set(AdminHeader, a.AdminKey)
	return a.token(req)
}

func (a *Azure) token(req *http.Request) (string, error) {
	var answer struct {
		Token string `json:"access_token"`
	}
	err := a.do(req, &answer)
	return answer.Token, err
}

// imds is where the admin API serves a machine's metadata service.
func (a *Azure) imds(machine azure.ID) *url.URL {
	return &url.URL{Scheme: "https", Host: strings.TrimPrefix(a.URL, "https://"), Path: AdminPath + "/imds" + machine.String()}
}

// VisibleSubscriptions are the subscriptions that the holder of a token may see, GUIDs alone.
func (a *Azure) VisibleSubscriptions(ctx context.Context, token string) ([]string, error) {
	var page struct {
		Value []struct {
			ID string `json:"subscriptionId"`
		} `json:"value"`
	}
	err := a.Call(ctx, token, http.MethodGet, "/subscriptions?api-version=2022-12-01", nil, &page)
	ids := make([]string, len(page.Value))
	for i, s := range page.Value {
		ids[i] = s.ID
	}
	return ids, err
}

// Principals finds service principals by client id, object id or display name.
func (a *Azure) Principals(ctx context.Context, token, name string) ([]Principal, error) {
	filters := []string{"displayName eq " + quote(name)}
	if _, err := azure.ParseGUID(name); err == nil {
		filters = []string{"servicePrincipalNames/any(c:c eq " + quote(name) + ")", "id eq " + quote(name)}
	}
	for _, filter := range filters {
		var page struct {
			Value []Principal `json:"value"`
		}
		query := url.Values{"$filter": {filter}}
		if err := a.Call(ctx, token, http.MethodGet, "/v1.0/servicePrincipals?"+query.Encode(), nil, &page); err != nil || len(page.Value) > 0 {
			return page.Value, err
		}
	}
	return nil, nil
}

// quote writes an OData string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// AddSecret makes a client secret of a service principal that is good until a time.
func (a *Azure) AddSecret(ctx context.Context, token string, id azure.PrincipalID, name string, until time.Time) (Secret, error) {
	var s Secret
	body := map[string]any{"passwordCredential": map[string]any{"displayName": name, "endDateTime": until.UTC().Format(time.RFC3339)}}
	err := a.Call(ctx, token, http.MethodPost, "/v1.0/servicePrincipals/"+id.String()+"/addPassword", body, &s)
	return s, err
}

// Secrets are the client secrets of a service principal.
func (a *Azure) Secrets(ctx context.Context, token string, id azure.PrincipalID) ([]Secret, error) {
	var p struct {
		Secrets []Secret `json:"passwordCredentials"`
	}
	err := a.Call(ctx, token, http.MethodGet, "/v1.0/servicePrincipals/"+id.String(), nil, &p)
	return p.Secrets, err
}

// RemoveSecret takes back a client secret.
func (a *Azure) RemoveSecret(ctx context.Context, token string, id azure.PrincipalID, key azure.GUID) error {
	return a.Call(ctx, token, http.MethodPost, "/v1.0/servicePrincipals/"+id.String()+"/removePassword", map[string]any{"keyId": key}, nil)
}

// Call sends a request with a bearer token to the resource manager or Graph and decodes the answer into out, unless that is nil.
// A refusal is an *azure.Error.
func (a *Azure) Call(ctx context.Context, token, method, path string, in, out any) error {
	_, err := a.call(ctx, token, method, path, in, out)
	return err
}

// CallToEnd is Call for a change that goes on after it was accepted: it returns when that has ended. A failure of the
// operation is an *azure.Error too.
func (a *Azure) CallToEnd(ctx context.Context, token, method, path string, in any) error {
	header, err := a.call(ctx, token, method, path, in, nil)
	if err != nil || header.Get(asyncHeader) == "" {
		return err
	}
	at, err := url.Parse(header.Get(asyncHeader))
	if err != nil {
		return err
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var op struct {
			Status string
			Error  json.RawMessage
		}
		if err := a.Call(ctx, token, http.MethodGet, at.RequestURI(), nil, &op); err != nil {
			return err
		}
		switch op.Status {
		case "Succeeded":
			return nil
		case "Failed", "Canceled":
			return refusal(http.StatusConflict, []byte(`{"error":`+string(op.Error)+`}`))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// asyncHeader says where the state of an operation is read.
const asyncHeader = "Azure-AsyncOperation"

func (a *Azure) call(ctx context.Context, token, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return a.exchange(req, out)
}

func (a *Azure) do(req *http.Request, out any) error {
	_, err := a.exchange(req, out)
	return err
}

func (a *Azure) exchange(req *http.Request, out any) (http.Header, error) {
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode >= 300:
		return nil, refusal(resp.StatusCode, body)
	case out == nil:
		return resp.Header, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("%s %s: the answer is not the JSON that was expected: %w", req.Method, req.URL.Path, err)
	}
	return resp.Header, nil
}

// refusal reads an error of the resource manager or Graph ({"error":{code,message}}), of AKS ({code,message}) or of Entra
// (RFC 6749 section 5.2).
func refusal(status int, body []byte) error {
	e := &azure.Error{Status: status, Code: http.StatusText(status), Message: strings.TrimSpace(string(body))}
	var envelope struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return e
	}
	if len(envelope.Error) == 0 {
		envelope.Error = body
	}
	if json.Unmarshal(envelope.Error, &e.Code) == nil {
		e.Message, _, _ = strings.Cut(envelope.Description, "\r\n")
		return e
	}
	var inner struct{ Code, Message string }
	if json.Unmarshal(envelope.Error, &inner) == nil && inner.Code != "" {
		e.Code, e.Message = inner.Code, inner.Message
	}
	return e
}
