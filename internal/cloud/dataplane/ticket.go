package dataplane

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// ticket are the claims of a registry's own token.
type ticket struct {
	ID        string  `json:"jti"`
	Subject   string  `json:"sub"` // object id
	App       string  `json:"appid,omitempty"`
	Issuer    string  `json:"iss"`
	Audience  string  `json:"aud"` // the login server
	NotBefore int64   `json:"nbf"`
	IssuedAt  int64   `json:"iat"`
	Expiry    int64   `json:"exp"`
	Ahead     int64   `json:"aksid_ahead,omitempty"` // seconds by which our clock was ahead of the clients', by which the times are
	Kind      string  `json:"grant_type"`            // refresh_token or access_token
	Content   string  `json:"content"`               // of the registry: another one of the same name does not know the token
	Access    []scope `json:"access,omitempty"`

	all bool // allows everything: of a password that was shown instead of a token
}

// scope is what an access token allows.
type scope struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (s scope) String() string { return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",") }

// parseScope reads type:name:action,action; a name may have colons (a host with a port).
func parseScope(text string) (scope, bool) {
	kind, rest, ok := strings.Cut(text, ":")
	at := strings.LastIndexByte(rest, ':')
	if !ok || at <= 0 || (kind != "repository" && kind != "registry") {
		return scope{}, false
	}
	return scope{kind, rest[:at], strings.Split(rest[at+1:], ",")}, rest[at+1:] != ""
}

func (t ticket) covers(want scope) bool {
	if t.all {
		return true
	}
	for _, s := range t.Access {
		if s.Type != want.Type || s.Name != want.Name {
			continue
		}
		missing := slices.ContainsFunc(want.Actions, func(a string) bool { return !slices.Contains(s.Actions, a) })
		if !missing {
			return true
		}
	}
	return false
}

// signer signs tickets with a key of this data folder. Nobody else has to verify them, so the key is symmetric.
type signer struct{ key []byte }

func openSigner(dir string) (signer, error) {
	key, err := keyFile(filepath.Join(dir, "registry.key"), "remove it, and clients get new registry tokens")
	return signer{key}, err
}

func (s signer) sign(t ticket) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: s.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(err) // the key has the right length
	}
	payload, _ := json.Marshal(t)
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, _ := signed.CompactSerialize()
	return text
}

// open verifies a ticket's signature; its times and audience are for the caller to check.
func (s signer) open(token string) (ticket, error) {
	var t ticket
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return t, err
	}
	payload, err := signed.Verify(s.key)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(payload, &t)
}
