package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// kubernetesVersions are those that AKS offers, in order; any other well-formed one can be asked for too.
var kubernetesVersions = []string{"1.31.13", "1.32.6", "1.32.9", "1.33.3", "1.33.5", "1.34.1"}

// Kubernetes versions that clusters get where the request names none, and since which they have an OIDC issuer by themselves.
const (
	defaultKubernetes = "1.33.5"
	issuerSince       = 34
)

var versionForm = regexp.MustCompile(`^1\.(\d{1,3})(?:\.(\d{1,3}))?$`)

// numbers are a version's minor and patch number; a version without patch is the newest of its minor.
func numbers(version string) (minor, patch int) {
	m := versionForm.FindStringSubmatch(fullVersion(version))
	if m == nil {
		return 0, 0
	}
	minor, _ = strconv.Atoi(m[1])
	patch, _ = strconv.Atoi(m[2])
	return minor, patch
}

// fullVersion is the newest patch of a version without one.
func fullVersion(version string) string {
	if strings.Count(version, ".") != 1 {
		return version
	}
	full := version + ".0"
	for _, v := range kubernetesVersions {
		if strings.HasPrefix(v, version+".") {
			full = v
		}
	}
	return full
}

// upgradeable reports whether AKS goes from one version to another: not back, and over no minor version.
func upgradeable(from, to string) bool {
	minor, patch := numbers(from)
	nextMinor, nextPatch := numbers(to)
	return nextMinor == minor && nextPatch >= patch || nextMinor == minor+1
}

// upgrades are the versions offered to upgrade to.
func upgrades(from string) []string {
	return slices.DeleteFunc(slices.Clone(kubernetesVersions), func(to string) bool {
		return to == fullVersion(from) || !upgradeable(from, to)
	})
}

func checkVersion(c *arm.Call) *azure.Error {
	const path = "properties.kubernetesVersion"
	version, old := arm.Str(c.Doc, path), arm.Str(c.Old, path)
	switch {
	case version == "" && old == "":
		version = defaultKubernetes
	case version == "":
		version = old
	}
	arm.Set(c.Doc, path, version)
	return checkUpgrade(old, version)
}

func checkUpgrade(from, to string) *azure.Error {
	switch {
	case !versionForm.MatchString(to):
		return azure.KubernetesVersionInvalid.Format(azure.Fields{"version": to})
	case from != "" && !upgradeable(from, to):
		return azure.KubernetesUpgradeNotAllowed.Format(azure.Fields{"from": from, "to": to, "upgrades": strings.Join(upgrades(from), " ")})
	}
	return nil
}

// checkPoolVersion keeps a pool at or behind its control plane.
func checkPoolVersion(c *arm.Call, p, old arm.Doc) *azure.Error {
	version, control := arm.Str(p, "orchestratorVersion"), arm.Str(c.Doc, "properties.kubernetesVersion")
	if err := checkUpgrade(arm.Str(old, "orchestratorVersion"), version); err != nil {
		return err
	}
	minor, _ := numbers(version)
	if most, _ := numbers(control); minor > most {
		return azure.PoolVersionIncompatible.Format(azure.Fields{"pool": version, "cluster": control, "minor": fmt.Sprint(minor), "controlMinor": fmt.Sprint(most)})
	}
	return nil
}

// holder is the cluster or pool that a call reads about, which must exist.
func holder(c *arm.Call) (arm.Doc, *azure.Error) {
	id := c.ID.Parent()
	doc, err := c.Load(id)
	if err == nil && doc == nil {
		_, typ, _ := id.Split()
		return nil, azure.ResourceNotFound.Format(azure.Fields{"resource": typ + "/" + id.Name(), "group": id.ResourceGroup()})
	}
	return doc, arm.Fault(err)
}

// profileOf is the upgrade profile of a control plane or a pool.
func profileOf(version, osType string) arm.Doc {
	var all []any
	for _, v := range upgrades(version) {
		all = append(all, arm.Doc{"kubernetesVersion": v})
	}
	return arm.Doc{"kubernetesVersion": fullVersion(version), "osType": osType, "upgrades": all}
}

func getUpgradeProfile(c *arm.Call) (arm.Doc, *azure.Error) {
	cluster, err := holder(c)
	if err != nil {
		return nil, err
	}
	var each []any
	for _, p := range pools(cluster) {
		profile := profileOf(arm.Str(p, "orchestratorVersion"), arm.Str(p, "osType"))
		profile["name"] = p["name"]
		each = append(each, profile)
	}
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typeCluster + "/upgradeprofiles", "properties": arm.Doc{
		"controlPlaneProfile": profileOf(arm.Str(cluster, "properties.kubernetesVersion"), "Linux"), "agentPoolProfiles": each}}, nil
}

func getPoolUpgradeProfile(c *arm.Call) (arm.Doc, *azure.Error) {
	pool, err := holder(c)
	if err != nil {
		return nil, err
	}
	profile := profileOf(arm.Str(pool, "properties.orchestratorVersion"), arm.Str(pool, "properties.osType"))
	profile["latestNodeImageVersion"] = nodeImages[arm.Str(pool, "properties.osSKU")]
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typePool + "/upgradeProfiles", "properties": profile}, nil
}

// getPoolVersions are the versions that a new pool can have: none above the control plane's, two minor versions back at most.
func getPoolVersions(c *arm.Call) (arm.Doc, *azure.Error) {
	cluster, err := holder(c)
	if err != nil {
		return nil, err
	}
	control := fullVersion(arm.Str(cluster, "properties.kubernetesVersion"))
	most, _ := numbers(control)
	var all []any
	for _, v := range kubernetesVersions {
		if minor, _ := numbers(v); minor <= most && minor >= most-2 {
			all = append(all, arm.Doc{"kubernetesVersion": v, "default": v == control})
		}
	}
	return arm.Doc{"id": c.ID.String(), "name": "default", "type": typeCluster + "/availableAgentpoolVersions", "properties": arm.Doc{"agentPoolVersions": all}}, nil
}

func getKubernetesVersions(*arm.Call) (arm.Doc, *azure.Error) {
	minors := map[string]arm.Doc{}
	var all []any
	for _, v := range kubernetesVersions {
		minor := v[:strings.LastIndexByte(v, '.')]
		if minors[minor] == nil {
			minors[minor] = arm.Doc{"version": minor, "capabilities": arm.Doc{"supportPlan": []any{"KubernetesOfficial", "AKSLongTermSupport"}}, "patchVersions": arm.Doc{}}
			all = append(all, minors[minor])
		}
		arm.Map(minors[minor], "patchVersions")[v] = arm.Doc{"upgrades": upgrades(v)}
		if v == defaultKubernetes {
			minors[minor]["isDefault"] = true
		}
	}
	return arm.Doc{"values": all}, nil
}

func getOrchestrators(c *arm.Call) (arm.Doc, *azure.Error) {
	var all []any
	for _, v := range kubernetesVersions {
		o := arm.Doc{"orchestratorType": "Kubernetes", "orchestratorVersion": v}
		var next []any
		for _, up := range upgrades(v) {
			next = append(next, arm.Doc{"orchestratorType": "Kubernetes", "orchestratorVersion": up})
		}
		o["upgrades"] = next
		if v == defaultKubernetes {
			o["default"] = true
		}
		all = append(all, o)
	}
	return arm.Doc{"id": c.ID.String(), "name": "default", "type": aks + "/locations/orchestrators", "properties": arm.Doc{"orchestrators": all}}, nil
}
