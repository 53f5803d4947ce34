package finding

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// registriesPlan is a plan with a cluster, registries, and roles of the kubelet on some of them.
func registriesPlan(registries []string, pulled ...string) string {
	var changes, config []string
	add := func(typ, name, after, expressions string) {
		changes = append(changes, fmt.Sprintf(`{"address": "%s.%s", "mode": "managed", "type": "%s", "name": "%s", "change": {"actions": ["create"], "after": %s}}`, typ, name, typ, name, after))
		config = append(config, fmt.Sprintf(`{"address": "%s.%s", "expressions": %s}`, typ, name, expressions))
	}
	add("azurerm_kubernetes_cluster", "aks", `{"name": "aks", "resource_group_name": "rg", "location": "westeurope", "identity": [{"type": "SystemAssigned"}], "default_node_pool": [{"name": "system"}]}`, `{}`)
	for _, r := range registries {
		add("azurerm_container_registry", r, `{"name": "`+r+`", "resource_group_name": "rg", "public_network_access_enabled": false}`, `{}`)
	}
	for _, r := range pulled {
		add("azurerm_role_assignment", r, `{"role_definition_name": "AcrPull", "principal_type": "ServicePrincipal"}`,
			`{"scope": {"references": ["azurerm_container_registry.`+r+`.id"]}, "principal_id": {"references": ["azurerm_kubernetes_cluster.aks.kubelet_identity[0].object_id"]}}`)
	}
	return `{"format_version": "1.2", "resource_changes": [` + strings.Join(changes, ",") + `], "configuration": {"root_module": {"resources": [` + strings.Join(config, ",") + `]}}}`
}

// A registry that a plan makes beside a cluster is for it; of several it is for those that the cluster may pull from, and if there is no
// such one, nobody knows.
func TestBroughtRegistries(t *testing.T) {
	for _, c := range []struct {
		registries, pulled []string
		want               []string // severity rule
	}{
		{[]string{"one1"}, nil, []string{"error registry-network-rules", "error kubelet-missing-acrpull"}},
		{[]string{"one1"}, []string{"one1"}, []string{"error registry-network-rules"}},
		{[]string{"one1", "two2"}, []string{"two2"}, []string{"error registry-network-rules"}},
		{[]string{"one1", "two2"}, nil, []string{"note kubelet-missing-acrpull", "note kubelet-missing-acrpull"}},
		{nil, nil, nil},
	} {
		path := filepath.Join(t.TempDir(), "plan.json")
		if err := os.WriteFile(path, []byte(registriesPlan(c.registries, c.pulled...)), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := estate.Files{Path: path}.Load(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range Check(e, e.Clusters[0]).Findings {
			got = append(got, string(f.Severity)+" "+f.Rule.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%v, pulled %v: %v, want %v", c.registries, c.pulled, got, c.want)
		}
	}
}

// Of a pipeline that nobody names, but that wrote the cluster, it is only noted what it lacks.
func TestFoundCreator(t *testing.T) {
	f := readFixture(t, filepath.Join("testdata", "creator-missing-subnets.txtar"))
	f.creator = azure.GUID{}
	for quiet, want := range map[bool]string{
		false: "note creator-missing-subnets: id-deploy, which wrote the cluster and still may, lacks subnets/join/action on snet-aks (rg-hub, Hub subscription)",
		true:  "",
	} {
		got := ""
		for _, x := range f.check(t, quiet)[0].Findings {
			if strings.HasPrefix(x.Rule.ID, "creator-") {
				got += fmt.Sprintf("%s %s: %s", x.Severity, x.Rule.ID, x.Detail)
			}
		}
		if got != want {
			t.Errorf("quiet %v: %q", quiet, got)
		}
	}
}
