package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
)

// cluster is a managed cluster, and what AKS has made for it.
type cluster struct {
	id       azure.ID
	nodes    azure.ID // the node resource group
	scaleSet azure.ID
	node     azure.ID // the first
	control  azure.PrincipalID
	kubelet  struct {
		ResourceID azure.ID          `json:"resourceId"`
		ObjectID   azure.PrincipalID `json:"objectId"`
		ClientID   azure.GUID        `json:"clientId"`
	}
}

// pace is how often a cluster is asked whether it is ready.
const pace = 10 * time.Millisecond

// create makes or changes a cluster and waits until AKS is done.
func (s *Stage) create(ctx context.Context, by caller, id azure.ID, body doc) (*cluster, error) {
	body["location"] = location
	if err := s.put(ctx, by, id, body, nil); err != nil {
		return nil, err
	}
	return s.await(ctx, by, id)
}

// await waits until AKS is done with a cluster and reads what it has made.
func (s *Stage) await(ctx context.Context, by caller, id azure.ID) (*cluster, error) {
	var c struct {
		Identity struct {
			PrincipalID  azure.PrincipalID                                  `json:"principalId"`
			UserAssigned map[string]struct{ PrincipalID azure.PrincipalID } `json:"userAssignedIdentities"`
		}
		Properties struct {
			ProvisioningState string                     `json:"provisioningState"`
			NodeResourceGroup string                     `json:"nodeResourceGroup"`
			IdentityProfile   map[string]json.RawMessage `json:"identityProfile"`
		}
	}
	for c.Properties.ProvisioningState != "Succeeded" {
		if err := s.get(ctx, by, id, &c); err != nil {
			return nil, err
		}
		if state := c.Properties.ProvisioningState; state == "Failed" || state == "Canceled" {
			return nil, fmt.Errorf("the work on %s ended as %s", id.Name(), state)
		}
		if err := pause(ctx, pace); err != nil {
			return nil, err
		}
	}
	out := &cluster{id: id, control: c.Identity.PrincipalID}
	for _, u := range c.Identity.UserAssigned {
		out.control = u.PrincipalID
	}
	if err := json.Unmarshal(c.Properties.IdentityProfile["kubeletidentity"], &out.kubelet); err != nil {
		return nil, fmt.Errorf("%s has no kubelet identity: %w", id.Name(), err)
	}
	out.nodes = azure.SubscriptionID(id.Subscription()).Join("resourceGroups", c.Properties.NodeResourceGroup)
	var sets struct{ Value []struct{ ID azure.ID } }
	if err := s.get(ctx, s.operator(), out.nodes.Resource(typeScaleSet), &sets); err != nil {
		return nil, err
	}
	if len(sets.Value) == 0 {
		return nil, fmt.Errorf("%s has no scale set", out.nodes.Name())
	}
	out.scaleSet = sets.Value[0].ID
	var machines struct{ Value []struct{ ID azure.ID } }
	if err := s.get(ctx, s.operator(), out.scaleSet.Join("virtualMachines"), &machines); err != nil {
		return nil, err
	}
	if len(machines.Value) == 0 {
		return nil, fmt.Errorf("%s has no node", id.Name())
	}
	out.node = machines.Value[0].ID
	return out, nil
}

// delete removes a cluster and waits until it is gone, with all that AKS has made for it.
func (s *Stage) delete(ctx context.Context, by caller, c *cluster) error {
	if err := s.remove(ctx, by, c.id); err != nil {
		return err
	}
	for {
		err := s.get(ctx, by, c.id, nil)
		var gone *azure.Error
		switch {
		case errors.As(err, &gone) && gone.Status == http.StatusNotFound:
			return nil
		case err != nil:
			return err
		}
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// expose does what the cloud controller manager does for internal services of type LoadBalancer: each has a frontend in the
// subnet. The call is the cluster's own.
func (s *Stage) expose(ctx context.Context, c *cluster, subnet azure.ID, services ...string) error {
	var frontends []doc
	for _, name := range services {
		frontends = append(frontends, doc{"name": name, "properties": doc{"subnet": doc{"id": subnet.String()}}})
	}
	return s.put(ctx, machine(c.id), c.nodes.Resource("Microsoft.Network/loadBalancers", "kubernetes-internal"), doc{
		"location": location, "sku": doc{"name": "Standard"}, "properties": doc{"frontendIPConfigurations": frontends},
	}, nil)
}

// attach does what the disk driver does for a volume: the first node gets the disk. The call is the cluster's own.
func (s *Stage) attach(ctx context.Context, c *cluster, disk azure.ID) error {
	return s.setDisks(ctx, c, doc{"lun": 0, "name": disk.Name(), "createOption": "Attach", "managedDisk": doc{"id": disk.String()}})
}

// detach takes the disk away again.
func (s *Stage) detach(ctx context.Context, c *cluster) error { return s.setDisks(ctx, c) }

func (s *Stage) setDisks(ctx context.Context, c *cluster, disks ...doc) error {
	if disks == nil {
		disks = []doc{}
	}
	return s.put(ctx, machine(c.id), c.node, doc{"location": location, "properties": doc{"storageProfile": doc{"dataDisks": disks}}}, nil)
}

// pull does what the kubelet and the container runtime do before an image comes: exchange the node's token for the registry's,
// and that for one to pull a repository with.
func (s *Stage) pull(ctx context.Context, c *cluster, registry azure.ID, repository string) error {
	token, err := machine(c.scaleSet).token(ctx, s)
	if err != nil {
		return err
	}
	service := registry.Name() + s.Azure.Cloud().RegistrySuffix
	refresh, err := s.registryToken(ctx, "https://"+service+"/oauth2/exchange", "refresh_token", url.Values{
		"grant_type": {"access_token"}, "service": {service}, "tenant": {s.Azure.Tenant.String()}, "access_token": {token},
	})
	if err != nil {
		return err
	}
	_, err = s.registryToken(ctx, "https://"+service+"/oauth2/token", "access_token", url.Values{
		"grant_type": {"refresh_token"}, "service": {service}, "scope": {"repository:" + repository + ":pull"}, "refresh_token": {refresh},
	})
	return err
}

// registryToken asks a registry for a token. A refusal is an *azure.Error with the registry's own code.
func (s *Stage) registryToken(ctx context.Context, endpoint, field string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Azure.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", registryRefusal(resp.StatusCode, body)
	}
	answer := doc{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	token, _ := answer[field].(string)
	return token, nil
}

// registryRefusal reads a registry's error (OCI distribution specification, error codes).
func registryRefusal(status int, body []byte) error {
	var list struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &list) != nil || len(list.Errors) == 0 {
		return &azure.Error{Status: status, Code: http.StatusText(status), Message: string(body)}
	}
	return &azure.Error{Status: status, Code: list.Errors[0].Code, Message: list.Errors[0].Message}
}

// volumes are the Kubernetes objects that say which disks pods use, as kubectl prints them.
func volumes(disks ...azure.ID) doc {
	var items []doc
	for _, d := range disks {
		items = append(items, doc{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": doc{"name": d.Name()}, "spec": doc{
			"accessModes": []string{"ReadWriteOnce"}, "capacity": doc{"storage": "64Gi"}, "csi": doc{"driver": "disk.csi.azure.com", "volumeHandle": d.String()}}})
	}
	return doc{"apiVersion": "v1", "kind": "List", "items": items}
}
