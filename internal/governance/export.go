package governance

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/policy"
)

// File is a file of an export, by its path below the folder.
type File struct {
	Path    string
	Text    []byte
	Program bool // it can be run
}

// The parts of an export that are the same in each: they read the definitions from the files beside them.
var (
	//go:embed export/README.md
	exportReadme []byte
	//go:embed export/main.bicep
	exportBicep []byte
	//go:embed export/main.tf
	exportTerraform []byte
	//go:embed export/deploy.sh
	exportScript []byte
)

// Export is the pattern as files: definitions and an initiative, named and divided as Azure's own samples are (azurepolicy.json,
// azurepolicy.rules.json, …), and what writes and assigns them with az, Bicep and Terraform.
func (c Choices) Export() []File {
	var files []File
	add := func(path string, v any) { files = append(files, File{Path: path, Text: pretty(v)}) }
	for _, d := range Pattern() {
		properties := object(d.Doc, "properties")
		folder := "definitions/" + d.Name + "/azurepolicy"
		add(folder+".json", d.Doc)
		add(folder+".rules.json", properties["policyRule"])
		add(folder+".parameters.json", properties["parameters"])
	}
	set := c.initiative()
	properties := object(set, "properties")
	add("initiative/azurepolicyset.json", set)
	add("initiative/azurepolicyset.definitions.json", properties["policyDefinitions"])
	add("initiative/azurepolicyset.parameters.json", properties["parameters"])
	return append(files,
		File{Path: "deploy.sh", Text: c.script(), Program: true},
		File{Path: "main.bicep", Text: c.bicep()},
		File{Path: "main.tf", Text: c.terraform()},
		File{Path: "README.md", Text: c.readme()})
}

// names are those of the pattern's definitions.
func names() []string {
	var all []string
	for _, d := range Pattern() {
		all = append(all, d.Name)
	}
	return all
}

func (c Choices) script() []byte {
	var b bytes.Buffer
	for _, d := range Pattern() {
		fmt.Fprintf(&b, "define %s %s %s\n", d.Name, d.Mode, quoteShell(d.DisplayName))
	}
	text := bytes.Replace(exportScript, []byte("# definitions\n"), b.Bytes(), 1)
	return bytes.Replace(text, []byte("effect=${2:-Audit}"), []byte("effect=${2:-"+c.effect()+"}"), 1)
}

func (c Choices) effect() string { return cmp.Or(c.Effect, "Audit") }

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (c Choices) bicep() []byte {
	var b bytes.Buffer
	for _, name := range names() {
		fmt.Fprintf(&b, "  loadJsonContent('definitions/%s/azurepolicy.json')\n", name)
	}
	text := bytes.Replace(exportBicep, []byte("  // definitions\n"), b.Bytes(), 1)
	text = bytes.Replace(text, []byte("param effect string = 'Audit'"), []byte("param effect string = '"+c.effect()+"'"), 1)
	list := "["
	for _, g := range c.IdentityGroups {
		list += "\n  '" + g + "'"
	}
	if len(c.IdentityGroups) > 0 {
		list += "\n"
	}
	return bytes.Replace(text, []byte("param allowedResourceGroups array = []"), []byte("param allowedResourceGroups array = "+list+"]"), 1)
}

func (c Choices) terraform() []byte {
	text := bytes.Replace(exportTerraform, []byte(`default     = "Audit"`), []byte(`default     = "`+c.effect()+`"`), 1)
	list, _ := json.Marshal(texts(c.IdentityGroups)) // texts always marshal
	return bytes.Replace(text, []byte("default     = []"), []byte("default     = "+strings.ReplaceAll(string(list), ",", ", ")), 1)
}

func (c Choices) readme() []byte {
	var b bytes.Buffer
	for _, d := range Pattern() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, d.DisplayName, d.Description)
	}
	for _, name := range registryPolicies {
		fmt.Fprintf(&b, "| built in: `%s` | %s | |\n", name, policy.BuiltIn(name).DisplayName)
	}
	return bytes.Replace(exportReadme, []byte("<!-- definitions -->\n"), b.Bytes(), 1)
}

// pretty prints JSON as people do: indented, with < and > as they are.
func pretty(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // documents are data
	return b.Bytes()
}

// Documents are the definitions and the initiative as one array, for a pipe.
func (c Choices) Documents() []byte {
	var all []any
	for _, d := range Pattern() {
		all = append(all, d.Doc)
	}
	return pretty(slices.Concat(all, []any{c.initiative()}))
}
