package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/entra"
	"aksid/internal/cloud/store"
)

// Lifetimes of a service account's token (Kubernetes: TokenRequest; Microsoft Learn: OIDC issuer in AKS).
const (
	shortestToken = 10 * time.Minute
	longestToken  = 24 * time.Hour
)

// accountName is what Kubernetes calls namespaces and service accounts by (RFC 1123 labels and subdomains).
var accountName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// serviceAccountToken mints the token that a pod of a service account has:
// {"cluster": resource id, "namespace", "name", "audience", "seconds"}.
func (cl *Cloud) serviceAccountToken(r *http.Request) (any, error) {
	var in struct {
		Cluster                   azure.ID
		Namespace, Name, Audience string
		Seconds                   int
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	life := time.Duration(in.Seconds) * time.Second
	switch {
	case !accountName.MatchString(in.Namespace) || !accountName.MatchString(in.Name):
		return nil, fmt.Errorf("%q in namespace %q is not a service account's name", in.Name, in.Namespace)
	case in.Audience == "":
		return nil, errors.New("name the audience of the token")
	case life < shortestToken || life > longestToken:
		return nil, fmt.Errorf("a service account's token is good for %s to %s, not for %s", shortestToken, longestToken, life)
	}
	token, err := cl.entra.ServiceAccountToken(r.Context(), entra.ServiceAccount{Cluster: in.Cluster, Namespace: in.Namespace, Name: in.Name, Audience: in.Audience, Life: life})
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no cluster %s", in.Cluster)
	}
	return token, err
}
