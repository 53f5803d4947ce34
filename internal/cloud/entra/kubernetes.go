package entra

import (
	"context"
	"errors"
	"net/http"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// KubernetesUser is who a token says to an API server of AKS that somebody is.
type KubernetesUser struct {
	Name   string              `json:"name"` // a user's principal name, else the object id
	ID     azure.PrincipalID   `json:"id"`
	Groups []azure.PrincipalID `json:"groups"` // also through other groups
}

// KubernetesUser reads a token for API servers of AKS. An error says what is wrong with the token, in ARM's words.
func (s *Service) KubernetesUser(ctx context.Context, token string) (KubernetesUser, error) {
	caller, refused := s.Verify(&http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}, kubernetesServer)
	if refused != nil {
		return KubernetesUser{}, errors.New(refused.Message)
	}
	u := KubernetesUser{Name: caller.UPN, ID: caller.ID}
	if u.Name == "" {
		u.Name = caller.ID.String()
	}
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if refused := s.Active(tx, caller); refused != nil {
			return errors.New(refused.Message)
		}
		u.Groups, err = directory.GroupsOf(tx, caller.ID)
		return err
	})
	return u, err
}
