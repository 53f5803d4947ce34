package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/recent"
	"aksid/internal/cloud/store"
)

const (
	maxToken    = 16 << 10 // bytes of a token that is looked at
	maxVerdicts = 1024     // tokens a half of the verdicts remembers
)

// fault is why a token does not let its bearer in.
type fault uint8

const (
	tokenMissing   fault = iota
	tokenMisplaced       // an Authorization header of another form
	tokenInvalid         // no token of this tenant's key: garbage, another key, another algorithm, changed on the way
	tokenAudience
	tokenIssuer
	tokenEarly
	tokenExpired
	tokenOvertaken // expired, as our clock was moved, but not for its bearer
	tokenOrphaned  // its principal is deleted
	tokenRevoked   // its principal is disabled
)

// armFaults are ARM's words. An expired token gets no grace: recorded answers refuse one 15 seconds late.
var armFaults = map[fault]*azure.Message{
	tokenMissing:   azure.AuthenticationMissing,
	tokenMisplaced: azure.AuthenticationInvalidHeader,
	tokenInvalid:   azure.InvalidAuthenticationToken,
	tokenAudience:  azure.InvalidAuthenticationTokenAudience,
	tokenIssuer:    azure.InvalidAuthenticationTokenTenant,
	tokenEarly:     azure.InvalidAuthenticationToken,
	tokenExpired:   azure.ExpiredAuthenticationToken,
	tokenOvertaken: azure.ExpiredAuthenticationToken,
	tokenOrphaned:  azure.InvalidAuthenticationTokenNoObject,
	tokenRevoked:   azure.SessionRevoked,
}

// refusal is a fault and the fields of its text.
type refusal struct {
	fault  fault
	fields azure.Fields
}

// Verify authenticates a request to ARM or a data plane by its bearer token: signature, issuer, audience and times.
// The token's audience must be one of audiences. Whether the principal still exists is Active's business.
func (s *Service) Verify(r *http.Request, audiences ...string) (directory.Caller, *azure.Error) {
	caller, refused := s.verify(r, audiences)
	return caller, s.armError(refused)
}

// Active refuses a caller whose principal was deleted or disabled since the token was issued.
// An error of the store is a 500 with its cause, which is not for clients.
func (s *Service) Active(tx store.Tx, c directory.Caller) *azure.Error {
	_, refused, err := active(tx, c)
	if err != nil {
		return &azure.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
	}
	return s.armError(refused)
}

// active reads the caller's principal.
func active(tx store.Tx, c directory.Caller) (directory.Principal, *refusal, error) {
	p, err := directory.Get(tx, c.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return p, &refusal{fault: tokenOrphaned}, nil
	case err == nil && p.Disabled:
		return p, &refusal{fault: tokenRevoked}, nil
	}
	return p, nil, err
}

// armError fills ARM's text in and adds the challenge that clients read the tenant from.
func (s *Service) armError(r *refusal) *azure.Error {
	if r == nil {
		return nil
	}
	e := armFaults[r.fault].Format(r.fields)
	code, description, claims := "invalid_token", e.Message, ""
	switch r.fault {
	case tokenMissing:
		description = "The authentication failed because of missing 'Authorization' header."
	case tokenOvertaken: // a client would have got a new one in time, had it known; the SDKs do so when they read this code
		code = "insufficient_claims"
		fallthrough
	case tokenRevoked:
		claims = fmt.Sprintf(`, claims="%s"`, s.claimsChallenge())
	}
	e.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer authorization_uri="https://login.windows.net/%s", error="%s", error_description="%s"%s`,
		s.Tenant, code, quotable(description), claims)}}
	return e
}

// quotable is a text for a quoted string of a header: a token's own words may stand in it.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// claimsChallenge asks the client for a newer token (continuous access evaluation), which it then will not get.
func (s *Service) claimsChallenge() string {
	c := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, s.Clients().Unix())
	return base64.StdEncoding.EncodeToString([]byte(c))
}

func (s *Service) verify(r *http.Request, audiences []string) (directory.Caller, *refusal) {
	token, refused := bearer(r)
	if refused != nil {
		return directory.Caller{}, refused
	}
	v := s.open(token)
	if v == nil {
		return directory.Caller{}, &refusal{fault: tokenInvalid}
	}
	if refused = s.check(v.claims, audiences); refused != nil {
		return directory.Caller{}, refused
	}
	caller := v.caller
	if s.GroupsOf != nil && !caller.Resource.IsZero() {
		caller.Groups = s.GroupsOf(caller.ID)
	}
	return caller, nil
}

// bearer takes the token out of a request.
func bearer(r *http.Request) (string, *refusal) {
	header := r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	switch {
	case header == "":
		return "", &refusal{fault: tokenMissing}
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return "", &refusal{fault: tokenMisplaced}
	case len(token) > maxToken:
		return "", &refusal{fault: tokenInvalid}
	}
	return token, nil
}

// check judges the claims of a token whose signature is good.
func (s *Service) check(c claims, audiences []string) *refusal {
	ahead := time.Duration(c.Ahead) * time.Second
	now := s.Now().Add(-ahead) // by the clock that the token goes by
	switch {
	case !slices.Contains(audiences, c.Audience):
		return &refusal{tokenAudience, azure.Fields{"audience": c.Audience, "allowed": strings.Join(audiences, "','")}}
	case c.Issuer != s.issuer() || c.Tenant != s.Tenant:
		return &refusal{tokenIssuer, azure.Fields{"issuer": c.Issuer, "tenant": s.issuer(),
			"authority": "https://login.windows.net/" + s.Tenant.String()}}
	case c.Object.IsZero():
		return &refusal{fault: tokenOrphaned}
	case now.Unix() < c.NotBefore:
		return &refusal{fault: tokenEarly}
	case now.Unix() >= c.Expiry:
		fields := azure.Fields{"expiry": usTime(time.Unix(c.Expiry, 0).Add(ahead)), "now": usTime(s.Now())}
		if s.Clients().Unix() < c.Expiry {
			return &refusal{tokenOvertaken, fields}
		}
		return &refusal{tokenExpired, fields}
	}
	return nil
}

// usTime is how ARM prints a time in a message.
func usTime(t time.Time) string { return t.UTC().Format("1/2/2006 3:04:05 PM") }

// opened is what a token says, if this tenant's key has signed it.
type opened struct {
	claims claims
	caller directory.Caller
}

// open checks a token's signature once: an RS256 check costs as much as the rest of a request.
func (s *Service) open(token string) *opened {
	if v := s.verdicts.get(token); v != nil {
		return v
	}
	payload, err := s.unwrap(token)
	if err != nil {
		return nil
	}
	v, err := decodeToken(payload)
	if err != nil {
		return nil
	}
	s.verdicts.put(token, v)
	return v
}

func decodeToken(payload []byte) (*opened, error) {
	var v opened
	if err := json.Unmarshal(payload, &v.claims); err != nil {
		return nil, err
	}
	all := json.NewDecoder(bytes.NewReader(payload))
	all.UseNumber()
	if err := all.Decode(&v.caller.Claims); err != nil {
		return nil, err
	}
	c := &v.claims
	v.caller.ID, v.caller.AppID, v.caller.Tenant = c.Object, c.AppID, c.Tenant
	v.caller.Type, v.caller.UPN, v.caller.Resource = directory.ServicePrincipal, c.UPN, c.Resource
	if c.IDType == "user" {
		v.caller.Type = directory.User
	}
	v.caller.Logged = directory.LoggedClaims(v.caller.Claims, c.Object, c.Tenant)
	return &v, nil
}

// verdicts remembers tokens with a good signature. Bad tokens are not remembered, so nobody can push the good ones out with
// them.
type verdicts struct {
	mu     sync.Mutex
	tokens *recent.Map[string, *opened]
}

func newVerdicts() *verdicts { return &verdicts{tokens: recent.New[string, *opened](maxVerdicts)} }

func (c *verdicts) get(token string) *opened {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.tokens.Get(token)
	return v
}

func (c *verdicts) put(token string, v *opened) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.Put(token, v, 1)
}
