package failure

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"aksid/internal/azure"
)

// Policy is an Azure Policy that refused a request.
type Policy struct {
	Assignment   string   `json:"assignment,omitempty"` // display name, or name
	AssignmentID string   `json:"assignmentId,omitempty"`
	Definition   string   `json:"definition,omitempty"`
	DefinitionID string   `json:"definitionId,omitempty"`
	Values       []string `json:"values,omitempty"` // what it found, as in "properties.disableLocalAccounts is false; refused: not equals true"
}

// maxViolation bounds the details of one policy, in bytes, and maxPolicies their number.
const (
	maxViolation = 64 << 10
	maxPolicies  = 50
)

// refusing are the policies that a sentence names, and what the details after it say that they found.
func (r *reading) refusing(m azure.Match) []Policy {
	all := identified(m.Fields["policies"])
	rest := r.text[m.Start:]
	for at := 0; len(all) < maxPolicies; {
		i := strings.Index(rest[at:], `"evaluationDetails"`)
		if i < 0 {
			break
		}
		at += i + 1
		if p, ok := violationAt(rest, at-1); ok {
			all = joined(all, p)
		}
	}
	return all
}

// identified reads the policy identifiers of the sentence.
func identified(text string) []Policy {
	type named struct{ Name, ID string }
	var list []struct {
		PolicyAssignment, PolicyDefinition named
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "\n", "")), &list); err != nil {
		return nil
	}
	var all []Policy
	for _, x := range list[:min(len(list), maxPolicies)] {
		all = append(all, Policy{Assignment: x.PolicyAssignment.Name, AssignmentID: x.PolicyAssignment.ID, Definition: x.PolicyDefinition.Name, DefinitionID: x.PolicyDefinition.ID})
	}
	return all
}

// violationAt reads the object of type PolicyViolation that a place is in.
func violationAt(text string, at int) (p Policy, ok bool) {
	open := enclosing(text[max(0, at-maxViolation):at])
	if open < 0 {
		return p, false
	}
	open += max(0, at-maxViolation)
	var v struct {
		EvaluationDetails struct {
			EvaluatedExpressions []struct {
				Expression, Path, Operator   string
				ExpressionValue, TargetValue any
			}
		}
		PolicyAssignmentID, PolicyAssignmentName, PolicyAssignmentDisplayName string
		PolicyDefinitionID, PolicyDefinitionName, PolicyDefinitionDisplayName string
	}
	if err := json.NewDecoder(strings.NewReader(text[open:min(len(text), open+maxViolation)])).Decode(&v); err != nil {
		return p, false
	}
	p = Policy{Assignment: first(v.PolicyAssignmentDisplayName, v.PolicyAssignmentName), AssignmentID: v.PolicyAssignmentID,
		Definition: first(v.PolicyDefinitionDisplayName, v.PolicyDefinitionName), DefinitionID: v.PolicyDefinitionID}
	for _, x := range v.EvaluationDetails.EvaluatedExpressions {
		if x.Path == "type" {
			continue
		}
		value := "missing"
		if x.ExpressionValue != nil {
			value = fmt.Sprint(x.ExpressionValue)
		}
		p.Values = append(p.Values, fmt.Sprintf("%s is %s; refused: %s %v", first(x.Path, x.Expression), value, spaced(x.Operator), x.TargetValue))
	}
	return p, true
}

// enclosing is where the object begins that the end of a text is in; -1 if none does.
func enclosing(text string) int {
	for depth, i := 0, len(text)-1; i >= 0; i-- {
		switch text[i] {
		case '}':
			depth++
		case '{':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// joined adds details to the policy that they are of.
func joined(all []Policy, p Policy) []Policy {
	for i := range all {
		if strings.EqualFold(all[i].DefinitionID, p.DefinitionID) && strings.EqualFold(all[i].AssignmentID, p.AssignmentID) {
			if all[i].Values == nil {
				all[i].Values = p.Values
			}
			return all
		}
	}
	return append(all, p)
}

// spaced takes an operator's name apart: NotEquals is "not equals".
func spaced(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && unicode.IsUpper(c) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
