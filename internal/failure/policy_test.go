package failure

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"aksid/internal/azure"
)

const (
	policyAssignment = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a1"
	policyDefinition = "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/d1"
)

// refusedByPolicy is an answer as Azure gives it.
func refusedByPolicy(t *testing.T, message *azure.Message) string {
	t.Helper()
	e := message.Format(azure.Fields{"name": "aks1", "reasons": "Ask us.",
		"policies": `[{"policyAssignment":{"name":"No accounts","id":"` + policyAssignment + `"},"policyDefinition":{"name":"Local accounts off","id":"` + policyDefinition + `"}}]`})
	e.Info = []azure.Info{{Type: "PolicyViolation", Info: map[string]any{"policyDefinitionDisplayName": "Local accounts off", "policyDefinitionId": policyDefinition,
		"policyAssignmentDisplayName": "No accounts", "policyAssignmentId": policyAssignment,
		"evaluationDetails": map[string]any{"evaluatedExpressions": []any{
			map[string]any{"result": "True", "expressionKind": "Field", "expression": "type", "path": "type", "expressionValue": "x", "targetValue": "x", "operator": "Equals"},
			map[string]any{"result": "True", "expressionKind": "Field", "expression": "x/disableLocalAccounts", "path": "properties.disableLocalAccounts", "expressionValue": false, "targetValue": true, "operator": "NotEquals"}}}}}}
	return string(e.Body())
}

// A refusal by policy tells which policy, and what it found, however the answer was wrapped.
func TestPolicies(t *testing.T) {
	want := []Policy{{Assignment: "No accounts", AssignmentID: policyAssignment, Definition: "Local accounts off", DefinitionID: policyDefinition,
		Values: []string{"properties.disableLocalAccounts is false; refused: not equals true"}}}
	whole := refusedByPolicy(t, azure.RequestDisallowedByPolicy)
	quoted, _ := json.Marshal(whole)
	for name, text := range map[string]string{"the answer": whole, "in a log": `{"level":"error","msg":` + string(quoted) + `}`, "with reasons": refusedByPolicy(t, azure.RequestDisallowedByPolicyReasons)} {
		fs, err := readAll(text)
		if err != nil || len(fs) != 1 || fs[0].Kind != PolicyDenied || fs[0].IdentityRelated || !reflect.DeepEqual(fs[0].Policies, want) {
			t.Errorf("%s: %v, %+v", name, err, fs)
		}
	}
	cut := whole[:strings.Index(whole, `"evaluationDetails"`)+200] // what is cut off is left out
	want[0].Values = nil
	if fs, err := readAll(cut); err != nil || len(fs) != 1 || !reflect.DeepEqual(fs[0].Policies, want) {
		t.Errorf("cut off: %v, %+v", err, fs)
	}
}

func readAll(text string) ([]Failure, error) {
	var c Collector
	err := c.Read(strings.NewReader(text))
	return c.Failures(), err
}
