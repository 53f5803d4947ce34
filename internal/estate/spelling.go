package estate

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// What users save is not always what az prints as JSON: the same as YAML, what Azure PowerShell makes with ConvertTo-Json, and
// the tables that the portal downloads (role assignments, Resource Graph) say as much.

// decodeFile reads what a file says as JSON, YAML or CSV.
func decodeFile(path string, text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	head := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case len(head) == 0 || head[0] == '{' || head[0] == '[':
		return decodeText(text)
	case strings.EqualFold(filepath.Ext(path), ".csv"), csvHead.Match(firstLine(head)):
		return decodeCSV(text)
	case yamlHead.Match(head):
		return decodeYAML(text)
	}
	if _, err := decodeText(text); err != nil {
		return nil, fmt.Errorf("%w; what az prints as a table or tsv lacks too much: print it with -o json", err)
	}
	return decodeText(text)
}

var (
	yamlHead = regexp.MustCompile(`^(- )?['"]?[A-Za-z$][\w$]*['"]?:(\s|$)`)
	csvHead  = regexp.MustCompile(`(?i)^"?(id|resourceid|roleassignmentid|name)"?,|,"?(id|resourceid|roleassignmentid)"?(,|\s*$)`)
	// azYAML finds a document of Azure among the YAML files of a folder, of which most are somebody else's.
	azYAML = regexp.MustCompile(`(?mi)^(- )?\s{0,2}['"]?id['"]?: ['"]?/(subscriptions|providers)/`)
)

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

// decodeYAML reads a document of YAML as the JSON that it stands for. References to what stands elsewhere are refused: az writes none.
func decodeYAML(text []byte) (any, error) {
	var n yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&n); err != nil || len(n.Content) != 1 {
		return nil, fmt.Errorf("neither JSON nor YAML: %w", err)
	}
	values := 0
	return plainNode(n.Content[0], 0, &values)
}

func plainNode(n *yaml.Node, depth int, values *int) (any, error) {
	if *values++; depth > maxDepth || *values > maxValues {
		return nil, fmt.Errorf("YAML is nested deeper than %d levels, or has more than %d values", maxDepth, maxValues)
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			v, err := plainNode(c, depth+1, values)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := plainNode(n.Content[i+1], depth+1, values)
			if err != nil {
				return nil, err
			}
			out[n.Content[i].Value] = v
		}
		return out, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, errors.New("YAML with references (&, *), which az does not write")
}

func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// decodeCSV reads a table with a header, a document a line; cells with objects and lists have them as JSON.
func decodeCSV(text []byte) (any, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	lines, err := r.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, fmt.Errorf("no CSV: %w", err)
	}
	out := []any{}
	for _, line := range lines[1:] {
		doc := map[string]any{}
		for i, cell := range line[:min(len(line), len(lines[0]))] {
			name := strings.TrimSpace(lines[0][i])
			if name == strings.ToUpper(name) {
				name = strings.ToLower(name) // as the portal writes them
			}
			doc[name] = cell
			if c := strings.TrimSpace(cell); strings.HasPrefix(c, "{") || strings.HasPrefix(c, "[") {
				if v, err := decodeText([]byte(c)); err == nil {
					doc[name] = v
				}
			}
		}
		out = append(out, doc)
	}
	return out, nil
}

// spelled is a document as az would print it: Azure PowerShell begins the names of members with capitals, and has its own for
// those of role assignments, as the portal's tables have.
func spelled(m map[string]any) map[string]any {
	if _, ok := m["id"]; ok {
		return m
	}
	if field(m, "Id") == nil && field(m, "RoleAssignmentId") == nil && field(m, "ResourceId") == nil {
		return m
	}
	m, _ = lowered(m).(map[string]any)
	if id := m["roleAssignmentId"]; id != nil {
		return map[string]any{
			"id": id, "scope": m["scope"], "principalId": m["objectId"], "principalType": m["objectType"], "principalName": m["displayName"],
			"roleDefinitionId": m["roleDefinitionId"], "roleDefinitionName": m["roleDefinitionName"],
			"condition": m["condition"], "conditionVersion": m["conditionVersion"], "description": m["description"],
		}
	}
	if m["id"] == nil {
		m["id"] = m["resourceId"]
	}
	return m
}

// lowered begins the names of members with small letters.
func lowered(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = lowered(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			r, n := utf8.DecodeRuneInString(k)
			out[string(unicode.ToLower(r))+k[n:]] = lowered(x)
		}
		return out
	}
	return v
}

// cutOff reports whether ConvertTo-Json has put the names of types in the place of objects: it does so below its -Depth, which is 2
// where nobody says otherwise.
func cutOff(v any) bool {
	return holds(v, func(leaf any) bool {
		s, _ := leaf.(string)
		return strings.HasPrefix(s, "Microsoft.Azure.") && strings.Contains(s, ".Models.") || strings.HasPrefix(s, "System.Collections.") || strings.HasPrefix(s, "@{")
	})
}
