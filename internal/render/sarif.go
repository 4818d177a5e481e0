package render

import (
	"net/url"
	"path/filepath"

	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/text"
)

// The parts of SARIF 2.1.0 that are used here
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		Name             string       `json:"name"`
		ShortDescription sarifMessage `json:"shortDescription"`
		FullDescription  sarifMessage `json:"fullDescription"`
		HelpURI          string       `json:"helpUri"`
		Default          sarifLevel   `json:"defaultConfiguration"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	// Policies that were not judged are notifications.
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
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
		StartColumn int `json:"startColumn"`
	}
	sarifLogical struct {
		Name               string `json:"name,omitempty"`
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

// NewSARIF makes a SARIF 2.1.0 log of lint's findings, for code scanning. Those in files
// have a line; those in live roles have the role as their logical location.
func NewSARIF(policies []lint.Policy, version string) any {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "fly-aws", Version: version, InformationURI: pageLint,
		}},
		Invocations: []sarifInvocation{{Successful: true}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints",
	}
	index := map[string]int{}
	for i, r := range Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.ID, Name: string(r.Code), ShortDescription: sarifMessage{r.Title}, FullDescription: sarifMessage{r.Why}, HelpURI: r.Source,
			Default: sarifLevel{string(r.Severity)},
		})
	}
	for _, policy := range policies {
		if policy.Undecided != "" {
			run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{
				Level: "note", Message: sarifMessage{"not judged: " + text.Line(policy.Undecided)},
				Locations: []sarifLocation{newSARIFLocation(policy, policy.Path, policy.Line, policy.Column)},
			})
		}
		for _, f := range policy.Findings {
			id := f.Rule().ID
			run.Results = append(run.Results, sarifResult{
				RuleID: id, RuleIndex: index[id], Level: string(f.Severity), Message: sarifMessage{findingWords(f.Finding)},
				Locations: []sarifLocation{newSARIFLocation(policy, f.Path, f.Line, f.Column)},
			})
		}
	}
	return sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	}
}

func newSARIFLocation(policy lint.Policy, path string, line, column int) sarifLocation {
	name := path
	if policy.Role != "" {
		name = "role " + policy.Role + " " + path
	}
	l := sarifLocation{Logical: []sarifLogical{{Name: text.Clean(policy.Role), FullyQualifiedName: text.Clean(name), Kind: "resource"}}}
	if policy.File != "" {
		uri := url.URL{Path: filepath.ToSlash(policy.File)}
		l.Physical = &sarifPhysical{sarifArtifact{uri.EscapedPath()}, sarifRegion{max(line, 1), max(column, 1)}}
	}
	return l
}
