package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aksid/internal/finding"
	"aksid/internal/plain"
)

// The members of SARIF 2.1.0 (OASIS, sarif-v2.1.0) that a report has, as GitHub's code scanning and Azure DevOps read them.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Results     []sarifResult     `json:"results"`
		Tool        sarifTool         `json:"tool"`                 // after the results, of which it has the rules
		Taxonomies  []sarifTaxonomy   `json:"taxonomies,omitempty"` // the catalogues of the rules' relatives
		Invocations []sarifInvocation `json:"invocations"`
		Columns     string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string          `json:"id"`
		Short   sarifText       `json:"shortDescription"`
		Full    sarifText       `json:"fullDescription"`
		Help    sarifText       `json:"help"`
		Default sarifLevel      `json:"defaultConfiguration"`
		Related []sarifRelation `json:"relationships,omitempty"`
		Bag     sarifRuleExtra  `json:"properties"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifLevel struct {
		Level finding.Severity `json:"level"` // spelled as the severities are
	}
	sarifRuleExtra struct {
		Tags   []string `json:"tags"`
		Source string   `json:"source"`
	}
	sarifRelation struct {
		Target sarifTarget `json:"target"`
		Kinds  []string    `json:"kinds"`
	}
	sarifTarget struct {
		ID        string     `json:"id"`
		Component sarifNamed `json:"toolComponent"`
	}
	sarifNamed struct {
		Name string `json:"name"`
	}
	sarifTaxonomy struct {
		Name string       `json:"name"`
		Taxa []sarifTaxon `json:"taxa"`
	}
	sarifTaxon struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		End           *time.Time          `json:"endTimeUtc,omitempty"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		sarifLevel
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		Rule  string `json:"ruleId"`
		Index int    `json:"ruleIndex"`
		sarifLevel
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Related      []sarifLocation    `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string  `json:"fingerprints"`
		Partial      map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Bag          Finding            `json:"properties"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

func (r Report) sarif(w io.Writer) error {
	found, index := []sarifRule{}, map[string]int{}
	results := func(yield func(sarifResult) bool) {
		for c := range r.Clusters {
			seen := map[string]int{}
			for _, f := range slices.Concat(c.Findings, c.Accepted) {
				if _, ok := index[f.Rule]; !ok {
					index[f.Rule] = len(found)
					found = append(found, sarifRuleOf(rules[f.Rule]))
				}
				if !yield(sarifResultOf(c, f, index[f.Rule], seen)) {
					return
				}
			}
		}
	}
	envelope := func() any {
		driver := sarifDriver{Name: "aksid", Version: r.Version, Rules: found}
		return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{{
			Results: []sarifResult{}, Tool: sarifTool{driver}, Taxonomies: taxonomies(found), Invocations: []sarifInvocation{r.invocation()}, Columns: "unicodeCodePoints",
		}}}
	}
	return stream(w, envelope, "results", results)
}

// taxonomies are the catalogues that rules relate to, with what they relate to.
func taxonomies(rules []sarifRule) []sarifTaxonomy {
	var out []sarifTaxonomy
	for _, r := range rules {
		for _, x := range r.Related {
			i := slices.IndexFunc(out, func(t sarifTaxonomy) bool { return t.Name == x.Target.Component.Name })
			if i < 0 {
				i = len(out)
				out = append(out, sarifTaxonomy{Name: x.Target.Component.Name})
			}
			if taxon := (sarifTaxon{x.Target.ID}); !slices.Contains(out[i].Taxa, taxon) {
				out[i].Taxa = append(out[i].Taxa, taxon)
			}
		}
	}
	return out
}

func sarifRuleOf(r *finding.Rule) sarifRule {
	why := because(r)
	var related []sarifRelation
	for _, x := range r.Relatives() {
		related = append(related, sarifRelation{sarifTarget{x.ID, sarifNamed{x.Catalogue}}, []string{"relevant"}})
	}
	return sarifRule{
		ID: r.ID, Short: sarifText{Text: r.Title}, Full: sarifText{Text: why},
		Help: sarifText{
			Text:     fmt.Sprintf("%s. %s Source: %s.", r.Title, why, r.Source),
			Markdown: fmt.Sprintf("**%s.** %s\n\nSource: %s. The same from the command line: `aksid explain %s`", markdown(r.Title), markdown(why), markdown(r.Source), r.ID),
		},
		Default: sarifLevel{r.Severity}, Related: related,
		Bag: sarifRuleExtra{Tags: []string{"security", "azure", "aks", "identity"}, Source: r.Source},
	}
}

// because is what a rule's problem leads to, as a sentence.
func because(r *finding.Rule) string {
	s := strings.ReplaceAll(r.Why, "{target}", "it")
	return strings.TrimSuffix(strings.ToUpper(s[:1])+s[1:], ".") + "."
}

func (r Report) invocation() sarifInvocation {
	out := sarifInvocation{Successful: true}
	if !r.At.IsZero() {
		at := r.At.UTC().Truncate(time.Second)
		out.End = &at
	}
	for _, i := range r.Incomplete {
		text := fmt.Sprintf("%s could not be read: %s", i.What, i.Why)
		if i.Right != "" {
			text += "; it takes " + i.Right
		}
		out.Notifications = append(out.Notifications, sarifNotification{sarifLevel{finding.Warning}, sarifText{Text: plain.Text(text)}})
		out.Successful = out.Successful && !i.Clusters
	}
	return out
}

// sarifResultOf makes a result. seen counts the findings of the cluster that have the same fingerprint.
func sarifResultOf(c Cluster, f Finding, rule int, seen map[string]int) sarifResult {
	print := fingerprint(c, f)
	seen[print]++
	print = fmt.Sprintf("%s:%d", print, seen[print])
	places := sarifPlaces(c, f)
	out := sarifResult{
		Rule: f.Rule, Index: rule, sarifLevel: sarifLevel{f.Severity}, Message: sarifText{Text: message(c, f)},
		Locations: places[:1], Related: places[1:],
		Fingerprints: map[string]string{"aksid/v1": print},
		Partial:      map[string]string{"primaryLocationLineHash": print}, // the one that code scanning compares
		Bag:          f,
	}
	if f.Accepted != nil {
		out.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: plain.Text(acceptance(f))}}
	}
	return out
}

// message says all of a finding in plain text.
func message(c Cluster, f Finding) string {
	f = f.brief()
	out := plain.Text(c.Name + ": " + f.Title)
	if f.Detail != "" {
		out += " — " + plain.Text(f.Detail)
	}
	for _, line := range f.Consequences {
		out += "\n→ " + plain.Text(line)
	}
	if f.Accepted != nil {
		out += "\nAccepted " + plain.Text(acceptance(f))
	}
	for i, line := range f.Remedy.lines() {
		if i == 0 {
			out += "\nTo mend it:"
		}
		out += "\n" + plain.Text(line)
	}
	return out
}

// fingerprint is the same for the same problem, whenever it is found and however it is worded.
func fingerprint(c Cluster, f Finding) string {
	principal := ""
	if f.PrincipalID != nil {
		principal = f.PrincipalID.String()
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule, c.ID.Key(), principal, f.Scope.Key()}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// sarifPlaces are where a finding's cluster and the like are written, or the cluster's id where they are in Azure: code
// scanning wants a path, and ids are paths.
func sarifPlaces(c Cluster, f Finding) []sarifLocation {
	if len(f.Written) == 0 {
		return []sarifLocation{{
			Physical: sarifPhysical{sarifArtifact{uri(strings.TrimPrefix(c.ID.String(), "/"))}, sarifRegion{StartLine: 1}},
			Logical:  []sarifLogical{{Name: c.Name, Full: c.ID.String(), Kind: "resource"}},
		}}
	}
	var out []sarifLocation
	for _, p := range f.Written {
		l := sarifLocation{Physical: sarifPhysical{sarifArtifact{uri(p.File)}, sarifRegion{max(p.Line, 1), p.Column}}}
		if p.Address != "" {
			l.Logical = []sarifLogical{{Name: p.Address, Full: p.Address, Kind: "resource"}}
		}
		out = append(out, l)
	}
	return out
}

// uri makes a reference of a path.
func uri(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme, u.Path = "file", "/"+strings.TrimPrefix(u.Path, "/") // as file:///C:/plan.json
	}
	return u.String()
}
