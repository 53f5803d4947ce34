package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// Audiences of data planes.
const (
	vaultAudience   = "https://vault.azure.net"
	storageAudience = "https://storage.azure.com"
)

// pod is a workload with a service account that an identity trusts.
type pod struct {
	cluster         azure.ID
	namespace, name string     // of the service account
	client          azure.GUID // of the identity
}

// token is what the workload's SDK gets for Resource Manager.
func (p pod) token(ctx context.Context, s *Stage) (string, error) {
	return p.tokenFor(ctx, s, s.Azure.Cloud().Audience)
}

// tokenFor exchanges the token that the kubelet has projected.
func (p pod) tokenFor(ctx context.Context, s *Stage, resource string) (string, error) {
	projected, err := s.Azure.ServiceAccountToken(ctx, local.ServiceAccount{Cluster: p.cluster, Namespace: p.namespace, Name: p.name, Audience: local.TokenExchange, Seconds: 3600})
	if err != nil {
		return "", err
	}
	return s.Azure.FederatedTokenFor(ctx, p.client, projected.Token, resource)
}

// tokenFor is a token of a machine's identity for a data plane.
func (m machine) tokenFor(ctx context.Context, s *Stage, resource string) (string, error) {
	return s.Azure.MachineTokenFor(ctx, azure.ID(m), resource)
}

// reacher gets tokens for data planes.
type reacher interface {
	tokenFor(ctx context.Context, s *Stage, resource string) (string, error)
}

// secret reads a secret of a vault.
func (s *Stage) secret(ctx context.Context, by reacher, vault, name string) error {
	return s.data(ctx, by, vaultAudience, http.MethodGet, "https://"+vault+".vault.azure.net/secrets/"+name+"?api-version=7.4", nil)
}

// enqueue puts a message into a queue.
func (s *Stage) enqueue(ctx context.Context, by reacher, account, queue string) error {
	return s.data(ctx, by, storageAudience, http.MethodPost, "https://"+account+".queue.core.windows.net/"+queue+"/messages",
		[]byte("<QueueMessage><MessageText>level</MessageText></QueueMessage>"))
}

// dequeue takes messages out of a queue.
func (s *Stage) dequeue(ctx context.Context, by reacher, account, queue string) error {
	return s.data(ctx, by, storageAudience, http.MethodGet, "https://"+account+".queue.core.windows.net/"+queue+"/messages", nil)
}

// data makes a call at a data plane. A refusal is an *azure.Error with the service's own code.
func (s *Stage) data(ctx context.Context, by reacher, audience, method, url string, body []byte) error {
	token, err := by.tokenFor(ctx, s, audience)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if audience == vaultAudience {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("X-Ms-Version", "2021-12-02")
		req.Header.Set("X-Ms-Date", s.now().UTC().Format(http.TimeFormat))
	}
	resp, err := s.Azure.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode < 300 {
		return err
	}
	return dataRefusal(resp.StatusCode, answer)
}

// dataRefusal reads an error of a vault, in JSON, or of a storage account, in XML.
func dataRefusal(status int, body []byte) error {
	var vault struct {
		Error struct{ Code, Message string }
	}
	var storage struct{ Code, Message string }
	e := &azure.Error{Status: status, Code: http.StatusText(status), Message: string(body)}
	switch {
	case json.Unmarshal(body, &vault) == nil && vault.Error.Code != "":
		e.Code, e.Message = vault.Error.Code, vault.Error.Message
	case xml.Unmarshal(body, &storage) == nil && storage.Code != "":
		e.Code, e.Message = storage.Code, storage.Message
	}
	return e
}
