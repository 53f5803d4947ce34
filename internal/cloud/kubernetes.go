package cloud

import (
	"encoding/json"
	"fmt"
	"net/http"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/provider"
)

// apiServer is what an API server of a cluster needs: {"cluster": resource id}.
func (cl *Cloud) apiServer(r *http.Request) (any, error) {
	var in struct{ Cluster azure.ID }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	var s *provider.APIServer
	err := cl.arm.Provision(r.Context(), directory.Caller{}, func(c *arm.Call) (err error) {
		s, err = provider.OpenAPIServer(c, in.Cluster)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fmt.Errorf("there is no cluster %s", in.Cluster)
	}
	out := struct {
		*provider.APIServer
		IssuerKey string `json:"issuerKey,omitempty"`
	}{APIServer: s}
	if s.Issuer != "" {
		out.IssuerKey, err = cl.entra.IssuerKey(r.Context(), s.Issuer)
	}
	return out, err
}

// kubernetesUser is who a token for API servers is of: {"token"}.
func (cl *Cloud) kubernetesUser(r *http.Request) (any, error) {
	var in struct{ Token string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	return cl.entra.KubernetesUser(r.Context(), in.Token)
}

// kubernetesAccess says whether Azure RBAC lets somebody do something in a cluster: {"principal", "action", "scope"}, with a
// data action and the id of a cluster or of a namespace of it.
func (cl *Cloud) kubernetesAccess(r *http.Request) (any, error) {
	var in struct {
		Principal azure.PrincipalID
		Action    azure.Action
		Scope     azure.ID
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	var out provider.KubernetesAccess
	err := cl.arm.Look(r.Context(), func(c *arm.Call) error {
		out = provider.DecideKubernetes(c, in.Principal, in.Action, in.Scope)
		return nil
	})
	return out, err
}

// makeNodes makes the machines of a cluster that was imported: {"cluster": resource id}.
func (cl *Cloud) makeNodes(r *http.Request) (any, error) {
	var in struct{ Cluster azure.ID }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	op := cl.operator()
	return struct{}{}, cl.arm.Provision(r.Context(), op, func(c *arm.Call) error {
		if err := provider.MakeNodes(c, in.Cluster); err != nil {
			return fmt.Errorf("%s: %s", err.Code, err.Message)
		}
		return nil
	})
}
