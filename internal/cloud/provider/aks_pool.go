package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// States of agent pools and power states, as AKS spells them. A pool whose nodes are made anew gets the kubelet
// identity that the cluster has by then; any other change leaves its nodes the one they have (azure-facts 1.3).
const (
	succeeded      = "Succeeded"
	creating       = "Creating"
	updating       = "Updating"
	scaling        = "Scaling"
	starting       = "Starting"
	stopping       = "Stopping"
	upgrading      = "Upgrading"
	upgradingImage = "UpgradingNodeImageVersion"

	poolRunning = "Running"
	poolStopped = "Stopped"
)

// nodeImages are the newest node images, by osSKU.
var nodeImages = map[string]string{
	"Ubuntu": "AKSUbuntu-2204gen2containerd-202511.07.0", "AzureLinux": "AKSAzureLinux-V3gen2-202511.07.0",
	"Windows2022": "AKSWindows-2022-containerd-gen2-20348.4297.251107",
}

var poolName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

func checkPools(c *arm.Call) *azure.Error {
	all := pools(c.Doc)
	if len(all) == 0 && c.Old == nil {
		return azure.MissingParameter.Format(azure.Fields{"path": "agentPoolProfiles"})
	}
	system := false
	for _, p := range all {
		if err := checkPool(c, p, poolNamed(c.Old, arm.Str(p, "name"))); err != nil {
			return err
		}
		system = system || strings.EqualFold(arm.Str(p, "mode"), "System")
	}
	if !system {
		return azure.NoSystemPool.Error()
	}
	return nil
}

func checkPool(c *arm.Call, p, old arm.Doc) *azure.Error {
	if !poolName.MatchString(arm.Str(p, "name")) {
		return azure.InvalidParameter.Format(azure.Fields{"path": "agentPoolProfile.name", "details": "the name of an agent pool is made of at most 12 lower-case letters and digits and begins with a letter"})
	}
	if err := keepPool(c, p, old); err != nil {
		return err
	}
	fillPool(c, p, old)
	if err := checkPoolVersion(c, p, old); err != nil {
		return err
	}
	if c.Method != http.MethodPost { // an action has said what happens to the pool
		p["provisioningState"] = change(p, old)
	}
	return nil
}

// fixed are the members of a pool that stay for life.
var fixed = []string{"vmSize", "osType", "type", "vnetSubnetID", "podSubnetID", "maxPods", "osDiskType", "osDiskSizeGB", "capacityReservationGroupID", "hostGroupID"}

// keepPool carries over what a request leaves out of a pool that exists, and refuses to change what stays.
func keepPool(c *arm.Call, p, old arm.Doc) *azure.Error {
	if old == nil {
		return nil
	}
	where := "agentPoolProfile."
	if strings.Contains(lower(c.Path), "/agentpools/") {
		where = "properties."
	}
	for _, m := range fixed {
		switch given := fmt.Sprint(p[m]); {
		case p[m] == nil, given == "", given == "0":
			if old[m] != nil {
				p[m] = old[m]
			}
		case !strings.EqualFold(given, fmt.Sprint(old[m])):
			return unchangeable(where + m)
		}
	}
	return nil
}

func fillPool(c *arm.Call, p, old arm.Doc) {
	if n := arm.Map(c.Doc, "properties.networkProfile"); p["maxPods"] == nil || arm.Int(p, "maxPods") == 0 {
		p["maxPods"] = maxPods(n)
	}
	fill(p, c.Version, filledOfPool)
	if arm.Int(p, "osDiskSizeGB") == 0 {
		p["osDiskSizeGB"] = json.Number("128")
	}
	if arm.Str(p, "orchestratorVersion") == "" {
		p["orchestratorVersion"] = arm.Str(c.Doc, "properties.kubernetesVersion")
		if v := arm.Str(old, "orchestratorVersion"); v != "" {
			p["orchestratorVersion"] = v
		}
	}
	p["currentOrchestratorVersion"] = fullVersion(arm.Str(p, "orchestratorVersion"))
	power := arm.Str(p, "powerState.code")
	if power != poolStopped {
		power = poolRunning
	}
	p["powerState"] = arm.Doc{"code": power}
	p["nodeImageVersion"] = nodeImages[arm.Str(p, "osSKU")]
	if v := arm.Str(old, "nodeImageVersion"); v != "" {
		p["nodeImageVersion"] = v
	}
}

// maxPods is how many pods a node may have by default: it follows from where pods get their addresses.
func maxPods(network arm.Doc) json.Number {
	switch plugin := lower(arm.Str(network, "networkPlugin")); {
	case plugin == "azure" && strings.EqualFold(arm.Str(network, "networkPluginMode"), "overlay"), plugin == "none":
		return "250"
	case plugin == "azure":
		return "30"
	}
	return "110"
}

// change is the state that a write puts a pool into: what AKS calls the work that it makes necessary.
func change(p, old arm.Doc) string {
	differ := func(path string) bool { return fmt.Sprint(arm.Get(p, path)) != fmt.Sprint(arm.Get(old, path)) }
	switch {
	case old == nil:
		return creating
	case differ("orchestratorVersion"):
		return upgrading
	case differ("powerState.code") && arm.Str(p, "powerState.code") == poolStopped:
		return stopping
	case differ("powerState.code"):
		return starting
	case differ("count"):
		return scaling
	}
	for k := range p {
		if k != "provisioningState" && k != "eTag" && differ(k) {
			return updating
		}
	}
	return arm.Str(old, "provisioningState")
}

// poolState is what a reader sees: work that will not go on has failed.
func poolState(cluster, pool arm.Doc) string {
	state, whole := arm.Str(pool, "provisioningState"), arm.Str(cluster, "properties.provisioningState")
	if state != succeeded && (whole == "Failed" || whole == "Canceled") {
		return whole
	}
	return state
}

func viewPool(c *arm.Call, d arm.Doc) {
	if cluster, err := c.Load(azure.MustID(arm.Str(d, "id")).Parent()); err == nil && cluster != nil {
		arm.Set(d, "properties.provisioningState", poolState(cluster, arm.Map(d, "properties")))
	}
	d["id"] = aksID(arm.Str(d, "id"))
	showPool(c, arm.Map(d, "properties"))
}

func pools(d arm.Doc) []arm.Doc {
	var out []arm.Doc
	for _, v := range arm.List(d, "properties.agentPoolProfiles") {
		if p, ok := v.(map[string]any); ok {
			out = append(out, p)
		}
	}
	return out
}

// poolNamed is a pool of a cluster, nil where there is none.
func poolNamed(d arm.Doc, name string) arm.Doc {
	for _, p := range pools(d) {
		if strings.EqualFold(arm.Str(p, "name"), name) {
			return p
		}
	}
	return nil
}

// upgradeNodeImage is az aks nodepool upgrade --node-image-only: all nodes of the pool are made anew.
func upgradeNodeImage(c *arm.Call) (any, *azure.Error) {
	arm.Set(c.Doc, "properties.nodeImageVersion", nodeImages[arm.Str(c.Doc, "properties.osSKU")])
	arm.Set(c.Doc, "properties.provisioningState", upgradingImage)
	return arm.Clone(c.Doc), nil
}

func startCluster(c *arm.Call) (any, *azure.Error) { return nil, turn(c, poolRunning, starting) }

func stopCluster(c *arm.Call) (any, *azure.Error) { return nil, turn(c, poolStopped, stopping) }

// turn turns a cluster on or off. Pools keep their own power state, and their size.
func turn(c *arm.Call, code, state string) *azure.Error {
	arm.Set(c.Doc, "properties.powerState", arm.Doc{"code": code})
	for _, p := range pools(c.Doc) {
		p["provisioningState"] = state
	}
	return nil
}

// capacity is how many machines a pool has now.
func capacity(c *arm.Call, pool arm.Doc) any {
	if arm.Str(pool, "powerState.code") == poolStopped || arm.Str(c.Doc, "properties.powerState.code") == poolStopped {
		return json.Number("0")
	}
	return pool["count"]
}
