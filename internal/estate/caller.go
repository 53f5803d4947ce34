package estate

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"aksid/internal/azure"
)

// Caller is who a credential makes one.
type Caller struct {
	Object azure.PrincipalID `json:"objectId"` // of a user, service principal or managed identity
	Tenant azure.GUID        `json:"tenantId,omitzero"`
	Name   string            `json:"name,omitempty"` // user name, or display name or client id of an application; "" where neither the directory nor the token says
	Now    time.Time         `json:"-"`              // of Azure, when it was asked
}

// Caller asks who the source's credential is, and what time it is there. The token says the former: it is Azure's word, which
// the caller does not write. Whether it is still good, Azure says when it takes it.
func (l Live) Caller(ctx context.Context) (Caller, error) {
	token, err := l.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimSuffix(l.Cloud.Audience, "/") + "/.default"}})
	if err != nil {
		return Caller{}, err
	}
	who, err := callerOf(token.Token)
	if err != nil {
		return who, err
	}
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return who, err
	}
	if who.Now, err = c.now(ctx); err != nil {
		return who, refusal("who the caller is", azure.TypeSubscription+"/read", err)
	}
	if name := c.nameOf(ctx, who.Object); name != "" {
		who.Name = name
	}
	return who, nil
}

// nameOf is what the directory calls an object; "" where it does not say.
func (c *client) nameOf(ctx context.Context, id azure.PrincipalID) string {
	body := map[string]any{"ids": []string{id.String()}, "types": []string{"user", "group", "servicePrincipal"}}
	answer, err := c.do(ctx, c.graph, http.MethodPost, c.graphBase+"/v1.0/directoryObjects/getByIds", body)
	if err != nil {
		return ""
	}
	found := listAt(answer, "value")
	if len(found) != 1 {
		return ""
	}
	if name := textAt(found[0], "userPrincipalName"); name != "" {
		return name
	}
	return textAt(found[0], "displayName")
}

// callerOf reads the claims of an access token of Entra (access token claims reference: oid, tid, upn, appid).
func callerOf(token string) (who Caller, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return who, errors.New("the credential's token does not say who it is for")
	}
	var claims struct {
		Object azure.GUID `json:"oid"`
		Tenant azure.GUID `json:"tid"`
		UPN    string     `json:"upn"`
		Unique string     `json:"unique_name"`
		App    string     `json:"appid"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil || claims.Object.IsZero() {
		return who, fmt.Errorf("the credential's token does not say who it is for: no claim oid (%w)", errors.Join(err))
	}
	who.Object, who.Tenant = claims.Object, claims.Tenant
	for _, name := range []string{claims.UPN, claims.Unique, claims.App} {
		if who.Name == "" {
			who.Name = name
		}
	}
	return who, nil
}

// now is the time by Azure's clock: that of the machine may be wrong, and grants end by the former.
func (c *client) now(ctx context.Context) (time.Time, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, c.armBase+"/subscriptions?api-version="+versionsOf(azure.TypeSubscription)[0])
	if err != nil {
		return time.Time{}, err
	}
	resp, err := c.arm.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	return serverTime(resp)
}

// serverTime is the time at which an answer was given.
func serverTime(resp *http.Response) (time.Time, error) {
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return at, errors.New("the answer does not say what time it is")
	}
	return at.UTC(), nil
}
