package controllers

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/kubernetes/pkg/credentialprovider"
	acr "k8s.io/kubernetes/pkg/credentialprovider/azure"

	"aksid/internal/drill/act"
)

// pullImage asks the kubelet's credential provider for the registry's credentials and pulls with each of them in turn,
// as the kubelet does: the last one is anonymous.
func (c *Cluster) pullImage(step act.Step) (string, error) {
	keyring, err := c.keyring(step.Image)
	if err != nil {
		return "", err
	}
	ref, err := name.ParseReference(step.Image)
	if err != nil {
		return "", err
	}
	creds, found := keyring.Lookup(step.Image)
	if !found {
		creds = append(creds, credentialprovider.AuthConfig{})
	}
	var failed []error
	for _, cred := range creds {
		digest, err := c.pull(ref, cred)
		if err == nil {
			return digest, nil
		}
		failed = append(failed, err)
	}
	return "", c.warn("Pod/drill", "kubelet", "Failed", fmt.Sprintf("Failed to pull image %q: %v", step.Image, failed[len(failed)-1]))
}

// keyring is what a node's credential provider has for an image. The provider reads a file.
func (c *Cluster) keyring(image string) (credentialprovider.DockerKeyring, error) {
	who, config := c.control, c.Config
	if c.kubelet != nil {
		who, config = c.kubelet, c.Kubelet.Config
	}
	text, err := cloudConfig(config, who)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "azure.*.json") // mode 0600
	if err != nil {
		return nil, err
	}
	path := f.Name()
	defer os.Remove(path)
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	p := acr.NewACRProvider(&path)
	if !p.Enabled() {
		return nil, errors.New("the kubelet's credential provider is not enabled: it cannot read its azure.json")
	}
	ring := &credentialprovider.BasicDockerKeyring{}
	ring.Add(p.Provide(image))
	return ring, nil
}

// pull reads an image's manifest, its configuration and its layers. A registry that lets it in and has no such image has
// answered what the drill asks.
func (c *Cluster) pull(ref name.Reference, cred credentialprovider.AuthConfig) (string, error) {
	auth := authn.Anonymous
	if cred.Username != "" {
		auth = authn.FromConfig(authn.AuthConfig{Username: cred.Username, Password: cred.Password})
	}
	image, err := remote.Image(ref, remote.WithContext(c), remote.WithAuth(auth), remote.WithTransport(registry{c}),
		remote.WithRetryPredicate(func(error) bool { return false }))
	var e *transport.Error
	if errors.As(err, &e) && e.StatusCode == 404 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	return digest.String(), err
}
