package finding

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Tuning is what an organisation says about the rules: aksid.yaml. A nil Tuning changes nothing.
type Tuning struct {
	Match    Matching // of clusters that are compared
	severity map[string]Severity
	accepted []*Acceptance
}

// Matching says which clusters of several environments belong together, where their names do not tell.
type Matching struct {
	Same    [][]string // names, resourceGroup/name or ids of clusters of one role
	RoleTag string     // a tag whose value is the role of a cluster; "": none
}

// Off is the severity of a rule that is not to be heard of.
const Off Severity = "off"

// Acceptance is a finding that somebody lives with, until a day.
type Acceptance struct {
	Rule      string            `json:"rule"`
	Cluster   string            `json:"cluster,omitempty"`  // name, resourceGroup/name or id; "": every cluster
	Scope     azure.ID          `json:"scope,omitzero"`     // the finding's; zero: any
	Principal azure.PrincipalID `json:"principal,omitzero"` // the finding's; zero: any
	Reason    string            `json:"reason"`
	Owner     string            `json:"owner"` // who answers for it
	Until     time.Time         `json:"until"` // the last moment of the day
}

// tuningFile is the form of the file.
type tuningFile struct {
	Severity map[string]Severity `yaml:"severity"`
	Diff     struct {
		Same    [][]string `yaml:"same"`
		RoleTag string     `yaml:"roleTag"`
	} `yaml:"diff"`
	Accept []struct {
		Rule      string `yaml:"rule"`
		Cluster   string `yaml:"cluster"`
		Scope     string `yaml:"scope"`
		Principal string `yaml:"principal"`
		Reason    string `yaml:"reason"`
		Owner     string `yaml:"owner"`
		Until     string `yaml:"until"`
	} `yaml:"accept"`
}

// MaxTuning bounds the text of a tuning, in bytes.
const MaxTuning = 1 << 20

// ParseTuning reads a tuning. Whatever it says must be understood: a rule that does not exist, a member that is not known,
// an acceptance without reason, owner or last day is an error.
func ParseTuning(text []byte) (*Tuning, error) {
	if len(text) > MaxTuning {
		return nil, fmt.Errorf("it is larger than %d KiB", MaxTuning>>10)
	}
	var f tuningFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) { // an empty file says nothing
		return nil, errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "finding.tuningFile", "the file"))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	t := &Tuning{severity: map[string]Severity{}, Match: Matching{f.Diff.Same, f.Diff.RoleTag}}
	for i, same := range f.Diff.Same {
		if len(same) < 2 || slices.Contains(same, "") {
			return nil, fmt.Errorf("diff: same: number %d: it takes the names of two clusters or more", i+1)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(f.Severity)) {
		s := f.Severity[rule]
		if !isRule(rule) {
			return nil, fmt.Errorf("severity: there is no rule %q", rule)
		}
		if s != Off && !slices.Contains(Severities, s) {
			return nil, fmt.Errorf("severity: %s: %q is none of error, warning, note and off", rule, s)
		}
		t.severity[rule] = s
	}
	for i, a := range f.Accept {
		x := &Acceptance{Rule: a.Rule, Cluster: a.Cluster, Reason: a.Reason, Owner: a.Owner}
		if err := x.read(a.Scope, a.Principal, a.Until); err != nil {
			return nil, fmt.Errorf("accept: number %d: %w", i+1, err)
		}
		t.accepted = append(t.accepted, x)
	}
	return t, nil
}

func isRule(id string) bool {
	return slices.ContainsFunc(Rules(), func(r *Rule) bool { return r.ID == id })
}

// read takes the members that are not plain text, and checks that none is missing.
func (a *Acceptance) read(scope, principal, until string) (err error) {
	switch {
	case !isRule(a.Rule):
		return fmt.Errorf("there is no rule %q", a.Rule)
	case strings.TrimSpace(a.Reason) == "" || strings.TrimSpace(a.Owner) == "" || until == "":
		return fmt.Errorf("%s: it takes a reason, an owner and until, the last day", a.Rule)
	}
	if scope != "" {
		if a.Scope, err = azure.ParseID(scope); err != nil {
			return err
		}
	}
	if principal != "" {
		if a.Principal, err = azure.ParseGUID(principal); err != nil {
			return err
		}
	}
	day, err := time.Parse(time.DateOnly, until)
	if err != nil {
		return fmt.Errorf("%s: until: %q is not a day, as 2027-01-31", a.Rule, until)
	}
	a.Until = day.AddDate(0, 0, 1).Add(-time.Second)
	return nil
}

// of reports whether an acceptance is about a cluster.
func (a *Acceptance) of(c *estate.Cluster) bool { return c.Named(a.Cluster) }

// covers reports whether an acceptance is about a finding of a cluster.
func (a *Acceptance) covers(c *estate.Cluster, f *Finding) bool {
	return a.Rule == f.Rule.ID && a.of(c) && (a.Scope.IsZero() || a.Scope.Equal(f.Scope)) && (a.Principal.IsZero() || a.Principal == f.Principal)
}

// expired reports whether an acceptance no longer counts. Where the time is not known every one counts.
func (a *Acceptance) expired(now time.Time) bool { return now.After(a.Until) }

// sort gives findings the severities that the tuning wants, and separates those that somebody lives with.
func (t *Tuning) sort(c *estate.Cluster, all []Finding, now time.Time) (open, accepted []Finding) {
	if t == nil {
		return all, nil
	}
	for _, f := range all {
		if s, ok := t.severity[f.Rule.ID]; ok {
			f.Severity = s
		}
		if f.Severity == Off {
			continue
		}
		i := slices.IndexFunc(t.accepted, func(a *Acceptance) bool { return a.covers(c, &f) && !a.expired(now) })
		if i < 0 {
			open = append(open, f)
			continue
		}
		f.Accepted = t.accepted[i]
		accepted = append(accepted, f)
	}
	return open, accepted
}

var expiredAcceptance = Rule{
	ID:       "expired-acceptance",
	Title:    "Somebody lived with a finding until a day that has passed",
	Why:      "What was accepted for a time counts again. Mend it, or take a new decision, and write that down in aksid.yaml.",
	Source:   "aksid",
	Severity: Warning,
	Run: func(p *Pass) {
		if p.Tuning == nil {
			return
		}
		for _, a := range p.Tuning.accepted {
			if !a.expired(p.Now) || !a.of(p.Cluster) {
				continue
			}
			scope := a.Scope
			if scope.IsZero() {
				scope = p.Cluster.ID
			}
			p.Report(Finding{
				Title:     fmt.Sprintf("%s was accepted until %s", a.Rule, a.Until.Format(time.DateOnly)),
				Detail:    fmt.Sprintf("%s has accepted it: %s", a.Owner, a.Reason),
				Principal: a.Principal, Scope: scope,
			})
		}
	},
}

// Accepted are the acceptances of a tuning, in the order of its file; none for a nil tuning.
func (t *Tuning) Accepted() []*Acceptance {
	if t == nil {
		return nil
	}
	return t.accepted
}
