package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// policy assigns the approved identity pattern, which finds a cluster that a project has made the old way, and then refuses the next.
func (w *water) policy(ctx context.Context) error {
	pattern, err := w.aksid(ctx, run{args: []string{"policy", "export", "--effect", "audit", "--identity-resource-group", w.identities.Name()}, into: "pattern.json"})
	if err != nil {
		return err
	}
	if err := w.assignPattern(ctx, pattern); err != nil {
		return err
	}
	if err := w.enforce(ctx, "Audit"); err != nil {
		return err
	}
	w.changed("the pattern is assigned to subscription Platform, with effect Audit")
	project, group, err := w.project(ctx)
	if err != nil {
		return err
	}
	if _, err := w.create(ctx, project, group.Resource(typeCluster, "pumps"), patternless()); err != nil {
		return err
	}
	w.works("project-pumps has made the cluster pumps the old way: an audit refuses nothing")
	if _, err := w.aksid(ctx, run{args: w.audit(), as: w.reviewer, want: 1}); err != nil {
		return err
	}
	if err := w.measurePolicy(ctx); err != nil {
		return err
	}
	if err := w.enforce(ctx, "Deny"); err != nil {
		return err
	}
	w.changed("the effect is Deny from now on")
	_, err = w.create(ctx, project, group.Resource(typeCluster, "valves"), patternless())
	return w.refused(err, http.StatusForbidden, "RequestDisallowedByPolicy")
}

// patternless is a cluster as the quickest way makes it.
func patternless() doc {
	return doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"dnsPrefix": "pumps",
		"agentPoolProfiles": []doc{{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets"}}}}
}

// project is a team with a resource group of its own.
func (w *water) project(ctx context.Context) (*person, azure.ID, error) {
	platform, _ := w.subs()
	group := platform.Join("resourceGroups", "rg-pumps")
	p, err := w.hire(ctx, w.operator(), "project-pumps")
	if err == nil {
		err = w.build(ctx, w.operator(), resource{group, doc{}})
	}
	if err == nil {
		err = w.grant(ctx, w.operator(), "Contributor", p.id, group)
	}
	return p, group, err
}

// patternName is what policy export calls its initiative.
const patternName = "aksid-identity-pattern"

const typePolicy = "Microsoft.Authorization/policy"

// assignPattern writes the definitions that policy export has printed, and the initiative.
func (w *water) assignPattern(ctx context.Context, pattern string) error {
	platform, _ := w.subs()
	var all []struct {
		Name       string
		Properties doc
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(pattern, "{scope}", platform.String())), &all); err != nil {
		return err
	}
	for _, d := range all {
		typ := typePolicy + "Definitions"
		if d.Name == patternName {
			typ = typePolicy + "SetDefinitions"
		}
		if err := w.put(ctx, w.operator(), platform.Resource(typ, d.Name), doc{"properties": d.Properties}, nil); err != nil {
			return err
		}
	}
	return nil
}

// enforce assigns the initiative with an effect.
func (w *water) enforce(ctx context.Context, effect string) error {
	platform, _ := w.subs()
	return w.put(ctx, w.operator(), platform.Resource(typePolicy+"Assignments", patternName), doc{"properties": doc{
		"displayName": "Approved identity pattern", "policyDefinitionId": platform.Resource(typePolicy+"SetDefinitions", patternName).String(),
		"parameters": doc{"effect": doc{"value": effect}, "allowedResourceGroups": doc{"value": []string{w.identities.Name()}}},
	}}, nil)
}

// measurePolicy compares what aksid finds with the compliance that Azure Policy tells itself.
func (w *water) measurePolicy(ctx context.Context) error {
	platform, _ := w.subs()
	var states struct {
		Value []struct{ ResourceID azure.ID }
	}
	path := platform.String() + "/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2019-10-01&$filter=ComplianceState%20eq%20'NonCompliant'"
	if err := w.call(ctx, w.operator(), http.MethodPost, path, nil, &states); err != nil {
		return err
	}
	azures := map[string]bool{}
	for _, s := range states.Value {
		if strings.EqualFold(s.ResourceID.Type(), typeCluster) {
			azures[s.ResourceID.Name()] = true
		}
	}
	out, err := w.quietly(ctx, run{args: append(w.audit(), "-o", "json"), as: w.reviewer, want: 1})
	if err != nil {
		return err
	}
	ours, all, err := nonCompliant(out)
	if err != nil {
		return err
	}
	found := slices.Sorted(maps.Keys(ours))
	w.measure(Figure{
		Name: "clusters outside of the approved pattern", Case: "audited by Azure Policy",
		Here: fmt.Sprintf("%s, %d of %d", strings.Join(found, ", "), len(found), all), How: "aksid policy audit, and Azure Policy's own compliance states: they agree",
		Holds: slices.Equal(found, []string{"pumps"}) && maps.Equal(ours, azures),
	})
	return nil
}

func (w *water) audit() []string {
	return []string{"policy", "audit", "--identity-resource-group", w.identities.Name()}
}

// nonCompliant reads what policy audit -o json prints: the clusters that are not compliant with something, and how many there are.
func nonCompliant(out string) (names map[string]bool, all int, err error) {
	var r struct {
		Rows []struct {
			Cluster azure.ID
			State   string
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return nil, 0, err
	}
	names, seen := map[string]bool{}, map[string]bool{}
	for _, row := range r.Rows {
		seen[row.Cluster.Key()] = true
		if row.State == "non-compliant" {
			names[row.Cluster.Name()] = true
		}
	}
	return names, len(seen), nil
}
