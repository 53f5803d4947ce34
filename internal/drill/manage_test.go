package drill

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// copies are local Azures with what another holds.
func (w *world) copies(t *testing.T) Copies {
	return func(ctx context.Context) (*local.Azure, func() error, error) {
		all, err := w.Export(ctx)
		if err != nil {
			return nil, nil, err
		}
		dir := t.TempDir()
		c, err := cloud.Open(ctx, cloud.Config{Dir: dir})
		if err != nil {
			return nil, nil, err
		}
		if _, err := c.Import(ctx, bytes.NewReader(all)); err != nil {
			return nil, nil, err
		}
		if err := c.Close(); err != nil {
			return nil, nil, err
		}
		return openAzure(ctx, dir)
	}
}

// manage lets AKS do what it does to a cluster and returns how that ended; it must end as predicted.
func (w *world) manage(t *testing.T, e *estate.Estate, only ...string) map[string]Acted {
	t.Helper()
	t.Setenv(asProgram, "works")
	r, err := Drill{Azure: w.Azure, Copies: w.copies(t), Program: os.Args[0], Only: only}.Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]Acted{}
	for _, op := range r.Clusters[0].Operations {
		if !op.Agrees || op.Acted.By != "AKS" {
			t.Errorf("%s: predicted %+v, acted out %+v", op.Operation, op.Predicted, op.Acted)
		}
		ended[op.Operation] = op.Acted
	}
	return ended
}

// What AKS itself does is done in a copy.
func TestManageInCopy(t *testing.T) {
	w := newWorld(t)
	for op, ended := range w.manage(t, w.load(t), "scale", "upgrade") {
		if ended.Outcome != Works {
			t.Errorf("%s: %+v", op, ended)
		}
	}
	d, err := w.get(t.Context(), w.cluster)
	if err != nil || at(d, "properties", "agentPoolProfiles", 0, "count").(float64) != 1 {
		t.Errorf("the local Azure has changed: %v, %v", d, err)
	}
}

// bring makes the cluster anew, private and with everything brought, and returns its identity, without any right on that.
func (w *world) bring(t *testing.T) (control azure.PrincipalID, table, kubelet, zone, network azure.ID) {
	t.Helper()
	ctx, group := t.Context(), w.cluster.GroupID()
	put := func(id azure.ID, body doc) doc {
		t.Helper()
		if body["location"] == nil {
			body["location"] = region
		}
		d, err := w.put(ctx, id, body)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	w.cluster = group.Resource(estate.TypeCluster, "brought")
	table, network = group.Resource(estate.TypeRouteTable, "rt"), group.Resource(estate.TypeNetwork, "vnet")
	kubelet, zone = group.Resource(typeIdentity, "kubelet"), group.Resource(privateZones, "privatelink."+region+".azmk8s.io")
	put(table, doc{})
	put(network, doc{"properties": doc{"addressSpace": doc{"addressPrefixes": []any{"10.1.0.0/16"}},
		"subnets": []any{doc{"name": "nodes", "properties": doc{"addressPrefix": "10.1.0.0/24", "routeTable": doc{"id": table.String()}}}}}})
	put(kubelet, doc{})
	put(zone, doc{"location": "global"})
	identity := group.Resource(typeIdentity, "control")
	control, err := azure.ParseGUID(text(put(identity, doc{}), "properties", "principalId"))
	if err != nil {
		t.Fatal(err)
	}
	lent, err := w.assign(ctx, roleOf("Owner"), control, group, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := w.get(ctx, kubelet)
	put(w.cluster, doc{"identity": doc{"type": "UserAssigned", "userAssignedIdentities": doc{identity.String(): doc{}}}, "properties": doc{
		"dnsPrefix": "b", "networkProfile": doc{"networkPlugin": "kubenet"}, "apiServerAccessProfile": doc{"enablePrivateCluster": true, "privateDNSZone": zone.String()},
		"identityProfile":   doc{"kubeletidentity": doc{"resourceId": kubelet.String(), "clientId": text(id, "properties", "clientId"), "objectId": text(id, "properties", "principalId")}},
		"agentPoolProfiles": []any{doc{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_DS2_v2", "vnetSubnetID": network.Join("subnets", "nodes").String()}}}})
	if _, err := w.awaitCluster(ctx, w.cluster); err != nil {
		t.Fatal(err)
	}
	if err := w.remove(ctx, lent); err != nil {
		t.Fatal(err)
	}
	return control, table, kubelet, zone, network
}

// Right by right, AKS refuses what is missing next, as predicted, until nothing is.
func TestManageRefused(t *testing.T) {
	w := newWorld(t)
	control, table, kubelet, zone, network := w.bring(t)
	for _, step := range []struct {
		scale, name string // code of the refusal, or "" where it works
		role        string // that is given then
		scope       azure.ID
	}{
		{azure.CustomKubeletIdentityMissingPermission.Code, azure.CustomKubeletIdentityMissingPermission.Code, "Managed Identity Operator", kubelet},
		{azure.CustomRouteTableMissingPermission.Code, azure.CustomRouteTableMissingPermission.Code, "Network Contributor", table},
		{azure.CustomPrivateDNSZoneMissingPermission.Code, azure.CustomPrivateDNSZoneMissingPermission.Code, "Private DNS Zone Contributor", zone},
		{"", azure.LinkedAuthorizationFailed.Code, "Network Contributor", network},
		{},
	} {
		e := w.loadAll(t)
		e.Clusters = slices.DeleteFunc(e.Clusters, func(c *estate.Cluster) bool { return !c.ID.Equal(w.cluster) })
		ended := w.manage(t, e, "scale", "upgrade", "private-name")
		for op, want := range map[string]string{"scale-out": step.scale, "upgrade": step.scale, "private-name": step.name} {
			a := ended[op]
			if refused := a.first(); (a.Outcome == Works) != (want == "") || refused != nil && refused.Code != want {
				t.Errorf("before %s on %s: %s: %+v, want %q", step.role, step.scope.Name(), op, a, want)
			}
		}
		if step.role == "" {
			break
		}
		if _, err := w.assign(t.Context(), roleOf(step.role), control, step.scope, nil); err != nil {
			t.Fatal(err)
		}
	}
}
