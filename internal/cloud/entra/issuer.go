package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// The OIDC issuers of clusters, which sign the tokens of their service accounts (azure-facts 1.1, workload identity).

const keysPath = "openid/v1/jwks"

// Issuers serves the discovery documents and keys of the clusters' OIDC issuers, by host and path.
func (s *Service) Issuers() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
		if len(parts) < 3 || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		host, _, _ := strings.Cut(r.Host, ":")
		issuer := "https://" + host + "/" + parts[0] + "/" + parts[1] + "/"
		key, err := s.issuerKey(r.Context(), issuer)
		switch {
		case errors.Is(err, store.ErrNotFound):
			http.NotFound(w, r)
		case err != nil:
			s.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			http.Error(w, "internal error", http.StatusInternalServerError)
		case parts[2] == ".well-known/openid-configuration":
			writeJSON(w, http.StatusOK, map[string]any{
				"issuer": issuer, "jwks_uri": issuer + keysPath, "response_types_supported": []string{"id_token"},
				"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
			})
		case parts[2] == keysPath:
			writeJSON(w, http.StatusOK, json.RawMessage(key.set))
		default:
			http.NotFound(w, r)
		}
	})
}

// IssuerKey is the private key of a cluster's issuer in PEM, for the cluster's API server to sign with.
func (s *Service) IssuerKey(ctx context.Context, issuer string) (string, error) {
	der, err := s.issuerDER(ctx, issuer)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

func (s *Service) issuerKey(ctx context.Context, issuer string) (*key, error) {
	der, err := s.issuerDER(ctx, issuer)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of %s is a %T", issuer, private)
	}
	return newKey(rsaKey)
}

// issuerDER is the key of a cluster's issuer in PKCS #8, made when it is asked for the first time; store.ErrNotFound for any other
// issuer: from here no other can be reached.
func (s *Service) issuerDER(ctx context.Context, issuer string) ([]byte, error) {
	var der []byte
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if _, err = directory.IssuedBy(tx, issuer); err == nil {
			if der, err = directory.IssuerKey(tx, issuer); errors.Is(err, store.ErrNotFound) {
				err = nil
			}
		}
		return err
	})
	if err == nil && der == nil {
		der, err = s.newIssuerKey(ctx, issuer)
	}
	return der, err
}

// newIssuerKey makes a key outside of the transaction that keeps it: that takes its time.
func (s *Service) newIssuerKey(ctx context.Context, issuer string) (der []byte, err error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	made, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if _, err = directory.IssuedBy(tx, issuer); err == nil {
			der, err = directory.AddIssuerKey(tx, issuer, made)
		}
		return err
	})
	return der, err
}

// ServiceAccount is whose token a pod gets, and for whom.
type ServiceAccount struct {
	Cluster         azure.ID
	Namespace, Name string
	Audience        string
	Life            time.Duration
}

// Subject is the service account in a token.
func (a ServiceAccount) Subject() string {
	return "system:serviceaccount:" + a.Namespace + ":" + a.Name
}

// uid is the service account's in its cluster: nothing keeps service accounts, so it is computed.
func (a ServiceAccount) uid() azure.GUID {
	sum := sha256.Sum256([]byte(a.Cluster.Key() + "\n" + a.Subject()))
	var g azure.GUID
	copy(g[:], sum[:])
	g[6], g[8] = g[6]&0x0f|0x40, g[8]&0x3f|0x80
	return g
}

// ProjectedToken is a service account's token as the kubelet projects it into a pod.
type ProjectedToken struct {
	Token   string    `json:"token"`
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"` // by the clients' clocks
}

// ErrNoIssuer is why there is no token of a cluster's service accounts.
var ErrNoIssuer = errors.New("the cluster has no OIDC issuer; turn it on with az aks update --enable-oidc-issuer")

// ServiceAccountToken signs a service account's token. The error is store.ErrNotFound without the cluster, or ErrNoIssuer.
func (s *Service) ServiceAccountToken(ctx context.Context, a ServiceAccount) (ProjectedToken, error) {
	var cluster struct {
		Properties struct {
			Profile struct{ IssuerURL string } `json:"oidcIssuerProfile"`
		} `json:"properties"`
	}
	err := s.Store.View(ctx, func(tx store.Tx) error {
		d, err := tx.Get(directory.KindResource, a.Cluster.Key())
		if err != nil {
			return err
		}
		return json.Unmarshal(d.Body, &cluster)
	})
	issuer := cluster.Properties.Profile.IssuerURL
	if err == nil && issuer == "" {
		err = ErrNoIssuer
	}
	if err != nil {
		return ProjectedToken{}, err
	}
	key, err := s.issuerKey(ctx, issuer)
	if err != nil {
		return ProjectedToken{}, err
	}
	now := s.Clients().Truncate(time.Second)
	payload, err := json.Marshal(map[string]any{
		"aud": []string{a.Audience}, "iss": issuer, "sub": a.Subject(), "jti": azure.NewGUID(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(a.Life).Unix(), "aksid_ahead": s.ahead(),
		"kubernetes.io": map[string]any{"namespace": a.Namespace, "serviceaccount": map[string]any{"name": a.Name, "uid": a.uid()}},
	})
	if err != nil {
		return ProjectedToken{}, err
	}
	token, err := key.sign(payload)
	return ProjectedToken{token, issuer, a.Subject(), now.Add(a.Life).UTC()}, err
}
