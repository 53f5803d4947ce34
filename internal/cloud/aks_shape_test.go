package cloud_test

import (
	"fmt"
	"testing"
)

// TestClusterByVersion asks one cluster for its members in several api-versions: each shows what it has.
func TestClusterByVersion(t *testing.T) {
	s := newPlace(t)
	c := s.cluster(s.rg, "c1")
	made := c.put(system, obj{"addonProfiles": obj{"azurepolicy": obj{"enabled": true}}, "agentPoolProfiles": []obj{{"name": "nodepool1", "mode": "System", "count": 1,
		"vmSize": "Standard_DS2_v2", "nodeTaints": []string{}, "nodeLabels": nil, "scaleSetPriority": "Regular", "spotMaxPrice": -1}}}).ok(200)
	if got := made.str("type"); got != "Microsoft.ContainerService/ManagedClusters" {
		t.Errorf("its type is %s", got)
	}
	const pool = "properties.agentPoolProfiles.0."
	for _, row := range []struct {
		path  string
		since string // the first of the versions below that shows it; "": none does
		want  string
	}{
		{"properties.storageProfile.diskCSIDriver.enabled", "2021-05-01", ""},
		{"properties.securityProfile", "2023-05-01", "map[]"},
		{"properties.storageProfile.diskCSIDriver.enabled", "2023-05-01", "true"},
		{"properties.supportPlan", "2023-05-01", "KubernetesOfficial"},
		{"properties.autoUpgradeProfile.nodeOSUpgradeChannel", "2024-09-01", "NodeImage"},
		{"properties.metricsProfile.costAnalysis.enabled", "2024-09-01", "false"},
		{"properties.nodeProvisioningProfile.mode", "2025-08-01", "Manual"},
		{"properties.bootstrapProfile.artifactSource", "2025-08-01", "Direct"},
		{"kind", "2025-08-01", "Base"},
		{pool + "kubeletDiskType", "2021-05-01", "OS"},
		{pool + "enableFIPS", "2021-05-01", "false"},
		{pool + "securityProfile.enableVTPM", "2024-09-01", "false"},
		{pool + "upgradeSettings.maxUnavailable", "2025-08-01", "0"},
		{"properties.networkProfile.podLinkLocalAccess", "2025-10-02-preview", "IMDS"},
		{"properties.controlPlanePluginProfiles.karpenter.enableV2", "2025-10-02-preview", "true"},
		{pool + "nodeTaints", "", ""}, {pool + "scaleSetPriority", "", ""}, {pool + "spotMaxPrice", "", ""}, {"systemData", "", ""},
	} {
		shown := false
		for _, version := range []string{"2021-05-01", "2023-05-01", "2024-09-01", "2025-08-01", "2025-10-02-preview"} {
			shown = shown || row.since == version
			got := s.operator.get(c.id + "?api-version=" + version).ok(200).at(row.path)
			if row.want == "" {
				if version == row.since || row.since == "" {
					if got != nil {
						t.Errorf("%s shows %s: %v", version, row.path, got)
					}
				}
				continue
			}
			if (got != nil) != shown || shown && fmt.Sprint(got) != row.want {
				t.Errorf("%s shows %s: %v", version, row.path, got)
			}
		}
	}
	preview := s.operator.get(c.id + "?api-version=2025-10-02-preview").ok(200)
	if preview.str("eTag") == "" || preview.str(pool+"eTag") == "" || s.operator.get(c.id+"?api-version=2025-08-01").at("eTag") != nil {
		t.Errorf("eTags: %s", preview.raw)
	}
	if config, given := preview.at("properties.addonProfiles.azurepolicy").(obj)["config"]; !given || config != nil {
		t.Errorf("an add-on without settings has config %v", config)
	}
}

// TestDefaultNetwork reads what a cluster gets that asks for no network: kubenet until 2023, Azure CNI overlay since.
func TestDefaultNetwork(t *testing.T) {
	s := newPlace(t)
	for version, want := range map[string][3]string{"2023-05-01": {"kubenet", "", "110"}, "2025-08-01": {"azure", "overlay", "250"}} {
		c := s.cluster(s.rg, "c-"+version[:4])
		s.operator.put(c.id+"?api-version="+version, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"},
			"properties": obj{"agentPoolProfiles": []obj{{"name": "p1", "mode": "System", "count": 1, "vmSize": "Standard_DS2_v2"}}}}).ok(201)
		got := s.operator.get(c.id + "?api-version=" + version).ok(200)
		mode, _ := got.at("properties.networkProfile.networkPluginMode").(string)
		if have := [3]string{got.str("properties.networkProfile.networkPlugin"), mode, fmt.Sprint(got.at("properties.agentPoolProfiles.0.maxPods"))}; have != want {
			t.Errorf("%s: %v, want %v", version, have, want)
		}
	}
}
