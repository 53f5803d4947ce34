package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"aksid/internal/finding"
)

// The members of SARIF 2.1.0 (OASIS, sarif-v2.1.0) that a report has, as GitHub's code scanning and Azure DevOps read them.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Columns     string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
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
		ID      string         `json:"id"`
		Short   sarifText      `json:"shortDescription"`
		Full    sarifText      `json:"fullDescription"`
		Help    sarifText      `json:"help"`
		Default sarifLevel     `json:"defaultConfiguration"`
		Bag     sarifRuleExtra `json:"properties"`
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
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"fingerprints"`
		Partial      map[string]string `json:"partialFingerprints"`
		Bag          Finding           `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

func (r Report) sarif(w io.Writer) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "aksid", Version: r.Version}}, Invocations: []sarifInvocation{r.invocation()},
		Columns: "unicodeCodePoints", Results: []sarifResult{}}
	index := map[string]int{}
	for i, rule := range finding.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(rule))
		index[rule.ID] = i
	}
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
	return stream(w, log, "results", func(yield func(sarifResult) bool) {
		for c := range r.Clusters {
			seen := map[string]int{}
			for _, f := range c.Findings {
				if !yield(sarifResultOf(c, f, index[f.Rule], seen)) {
					return
				}
			}
		}
	})
}

func sarifRuleOf(r *finding.Rule) sarifRule {
	why := because(r)
	return sarifRule{
		ID: r.ID, Short: sarifText{Text: r.Title}, Full: sarifText{Text: why},
		Help: sarifText{
			Text:     fmt.Sprintf("%s. %s Source: %s.", r.Title, why, r.Source),
			Markdown: fmt.Sprintf("**%s.** %s\n\nSource: %s. The same from the command line: `aksid explain %s`", markdown(r.Title), markdown(why), markdown(r.Source), r.ID),
		},
		Default: sarifLevel{r.Severity},
		Bag:     sarifRuleExtra{Tags: []string{"security", "azure", "aks", "identity"}, Source: r.Source},
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
		out.Notifications = append(out.Notifications, sarifNotification{sarifLevel{finding.Warning}, sarifText{Text: clean(text)}})
		out.Successful = out.Successful && !i.Clusters
	}
	return out
}

// sarifResultOf makes a result. seen counts the findings of the cluster that have the same fingerprint.
func sarifResultOf(c Cluster, f Finding, rule int, seen map[string]int) sarifResult {
	print := fingerprint(c, f)
	seen[print]++
	print = fmt.Sprintf("%s:%d", print, seen[print])
	return sarifResult{
		Rule: f.Rule, Index: rule, sarifLevel: sarifLevel{f.Severity}, Message: sarifText{Text: message(c, f)},
		Locations:    []sarifLocation{sarifPlace(c)},
		Fingerprints: map[string]string{"aksid/v1": print},
		Partial:      map[string]string{"primaryLocationLineHash": print}, // the one that code scanning compares
		Bag:          f,
	}
}

// message says all of a finding in plain text.
func message(c Cluster, f Finding) string {
	out := clean(c.Name + ": " + f.Title)
	if f.Detail != "" {
		out += " — " + clean(f.Detail)
	}
	for i, line := range f.Remedy.Az {
		if i == 0 {
			out += "\nTo mend it:"
		}
		out += "\n" + clean(line)
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

// sarifPlace is where a cluster stands: code scanning wants a path, and Azure's ids are paths.
func sarifPlace(c Cluster) sarifLocation {
	path := url.URL{Path: strings.TrimPrefix(c.ID.String(), "/")}
	return sarifLocation{
		Physical: sarifPhysical{sarifArtifact{path.EscapedPath()}, sarifRegion{1}},
		Logical:  []sarifLogical{{Name: c.Name, Full: c.ID.String(), Kind: "resource"}},
	}
}
