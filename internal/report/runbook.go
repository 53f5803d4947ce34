package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/remedy"
)

// Runbook is the page of one cluster: which identity does what, what to do for each symptom, and what to run. It is made to
// be made anew: it says from what it is, and its ids are such that check --ids finds a copy that is out of date.
type Runbook struct {
	From    string
	At      time.Time // of what it is made from
	Version string    // of aksid
	Cluster *estate.Cluster
	page    Cluster
	estate  *estate.Estate
	checked finding.Result
}

// NewRunbook makes the page of a cluster that was checked.
func NewRunbook(e *estate.Estate, r finding.Result, at time.Time, version string) Runbook {
	return Runbook{From: e.From, At: at, Version: version, Cluster: r.Cluster, page: cluster(e, r, map[told]azure.ID{}), estate: e, checked: r}
}

// FileName is the name of the page's file: resource group and name in lower case, with what a file system does not take left out.
func (r Runbook) FileName() string {
	name := strings.ToLower(r.Cluster.ID.ResourceGroup() + "." + r.Cluster.ID.Name())
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c) {
			return c
		}
		return '-'
	}, name) + ".md"
}

// runbookMark begins the first line of a page; the cluster's id follows.
const runbookMark = "<!-- aksid runbook of "

// RunbookOf is the cluster that a page is about, if it is one of ours.
func RunbookOf(page []byte) (azure.ID, bool) {
	line, _, _ := strings.Cut(string(page), "\n")
	text, ok := strings.CutPrefix(line, runbookMark)
	text, end := strings.CutSuffix(text, " -->")
	id, err := azure.ParseID(text)
	return id, ok && end && err == nil
}

// Write writes the page.
func (r Runbook) Write(w io.Writer) error {
	p := &printer{}
	c := r.page
	p.print("%s%s -->\n# %s\n\n", runbookMark, strings.ReplaceAll(c.ID.String(), ">", "_"), markdown("Runbook of "+c.Name))
	p.print("Made from %s%s. Do not edit it, make it anew: %s\n\n", markdown(r.From), markdown(r.made()), code(r.command("runbook", "")))
	p.print("Whether a copy is out of date: %s\n\n", code("aksid check --ids "+r.FileName()))
	r.facts(p)
	r.identities(p)
	r.symptoms(p)
	r.now(p)
	r.routine(p)
	return p.flush(w)
}

func (r Runbook) made() string {
	out := ""
	if !r.At.IsZero() {
		out = " as of " + r.At.UTC().Format("2006-01-02 15:04 UTC")
	}
	if r.Version != "" {
		out += " by aksid " + r.Version
	}
	return out
}

// command is a command of aksid about this cluster.
func (r Runbook) command(verb, rest string) string {
	if verb == "check" || verb == "runbook" {
		rest = strings.TrimSpace(r.registries() + rest)
	}
	return strings.TrimSpace(fmt.Sprintf("aksid %s -n %s -g %s --subscription %s %s", verb, remedy.Quote(r.page.Name), remedy.Quote(r.page.ResourceGroup), r.page.Subscription, rest))
}

// registries are the flags for those that the user named: no cluster does.
func (r Runbook) registries() (flags string) {
	for _, id := range r.estate.Registries {
		name := id.Name()
		if !strings.EqualFold(id.Subscription(), r.page.Subscription) {
			name = id.String()
		}
		flags += "--registry " + remedy.Quote(name) + " "
	}
	return flags
}

func (r Runbook) facts(p *printer) {
	c := r.page
	p.print("| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"Cluster", code(c.ID.String())}, {"Subscription", markdown(c.SubscriptionName)}, {"Region", markdown(cell(c.Location))}, {"Owner", markdown(cell(r.Cluster.Owner()))},
		{"Node resource group", code(r.Cluster.NodeGroup().String())},
	} {
		p.print("| %s | %s |\n", row[0], styled(row[1]))
	}
}

// identities says who does what.
func (r Runbook) identities(p *printer) {
	p.print("\n## Which identity does what\n")
	for i, id := range r.page.Identities {
		p.print("\n### %s: %s\n\n", markdown(id.label), markdown(id.Name))
		p.print("%s, object id %s", kinds[id.Kind], id.principal())
		if id.ClientID != nil {
			p.print(", client id %s", code(id.ClientID.String()))
		}
		if id.ResourceID != nil {
			p.print(", resource %s", code(id.ResourceID.String()))
		}
		p.print(".\n")
		if does := r.does(r.checked.Identities[i]); len(does) > 0 {
			p.print("\nIt does:\n\n")
			for _, line := range does {
				p.print("- %s\n", markdown(line))
			}
		}
		p.print("\nIts roles:\n\n")
		for _, a := range id.Assignments {
			p.print("- %s on %s%s\n", markdown(a.Role), markdown(a.place), markdown(notes(a)))
		}
		if len(id.Assignments) == 0 {
			p.print("- none\n")
		}
	}
}

// does are the features that need an identity.
func (r Runbook) does(id estate.Identity) (out []string) {
	for _, a := range r.checked.Assessments {
		if a.Identity.Principal == id.Principal && a.Identity.Role == id.Role && a.Identity.AddOn == id.AddOn && !slices.Contains(out, a.Requirement.Feature) {
			out = append(out, a.Requirement.Feature)
		}
	}
	return out
}

// symptoms are what a user sees where a need is not met, and what to do then.
func (r Runbook) symptoms(p *printer) {
	p.print("\n## What to do when\n")
	var order []string
	by := map[string][]*finding.Assessment{}
	for _, a := range r.checked.Assessments {
		title := a.Requirement.Consequence(a.Need)
		if by[title] == nil {
			order = append(order, title)
		}
		by[title] = append(by[title], a)
	}
	for _, title := range order {
		p.print("\n### %s\n", markdown(upperFirst(title)))
		for _, a := range by[title] {
			r.symptom(p, a)
		}
	}
	if len(order) == 0 {
		p.print("\nNothing is known that an identity of this cluster needs a role for.\n")
	}
}

func (r Runbook) symptom(p *printer, a *finding.Assessment) {
	place := r.estate.Place(a.Need.Scope, r.page.ID)
	p.print("\nThe %s needs, for %s, on %s: %s. %s\n", markdown(a.Identity.Label()), markdown(a.Requirement.Feature), markdown(place), styled(someActions(a.Need)), markdown(r.state(a)))
	if !a.Identity.Known() {
		return
	}
	p.commands(append([]string{
		"# is it there?",
		fmt.Sprintf("az role assignment list --assignee %s --include-inherited --include-groups --scope %s -o table", a.Identity.Principal, remedy.Quote(a.Need.Scope.String())),
		"# what gives it, if it is missing",
	}, r.remedy(a)...))
}

// someActions names what is needed, of much the first few.
func someActions(n catalogue.Need) string {
	const few = 6
	actions := slices.Concat(n.Actions, n.DataActions)
	var texts []string
	for _, action := range actions[:min(few, len(actions))] {
		texts = append(texts, code(string(action)))
	}
	out := strings.Join(texts, ", ")
	if more := len(actions) - few; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// remedy is what check says to do about a need that is not met, or what documents name for one that is.
func (r Runbook) remedy(a *finding.Assessment) (out []string) {
	changes := []estate.Change{estate.Assign{Role: a.Need.Role, Principal: a.Identity.Principal, PrincipalType: a.Identity.PrincipalType(), Scope: a.Need.Scope}}
	for _, f := range r.checked.Findings {
		if slices.Contains(f.Explains(), a) {
			changes = f.Remedy
		}
	}
	for _, c := range changes {
		out = append(out, remedy.Az(c)...)
	}
	if len(out) == 0 {
		out = []string{"# no role does: see the findings below"}
	}
	return out
}

// state is how a need stood when the page was made.
func (r Runbook) state(a *finding.Assessment) string {
	when := "Needed"
	if a.Need.Certainty == catalogue.Maybe {
		when = "Needed if the cluster uses it"
	}
	switch a.Status {
	case finding.Granted:
		var by []string
		for _, g := range a.GrantedBy {
			by = append(by, fmt.Sprintf("%s on %s", r.estate.RoleName(g.Role), r.estate.Place(g.Scope, r.page.ID)))
		}
		return fmt.Sprintf("%s; given by %s.", when, strings.Join(by, ", "))
	case finding.Unknown:
		return fmt.Sprintf("%s; whether it has it could not be told: %s.", when, a.Reason)
	case finding.Denied:
		return fmt.Sprintf("%s; denied by %s.", when, a.Reason)
	}
	return when + "; it is not given."
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// now are the findings at the time of making.
func (r Runbook) now(p *printer) {
	p.print("\n## As it was when this was made\n")
	if len(r.page.Findings) == 0 {
		p.print("\n%s\n", needsMet(r.page.Requirements))
	}
	for _, f := range r.page.Findings {
		p.print("\n- %s **%s** (%s) %s", f.Severity, markdown(f.Title), f.Rule, markdown(f.Detail))
	}
	if len(r.page.Findings) > 0 {
		p.print("\n")
	}
	for _, f := range r.page.Accepted {
		p.print("\n- accepted: **%s** (%s) %s\n", markdown(f.Title), f.Rule, markdown(acceptance(f)))
	}
	for _, i := range r.estate.Incomplete {
		p.print("\n- could not be read: %s (%s)\n", markdown(i.What), markdown(i.Why))
	}
}

// routine are the checks to run.
func (r Runbook) routine(p *printer) {
	p.print("\n## What to run\n")
	p.commands([]string{
		"# what breaks now, and what to do about it",
		r.command("check", ""),
		"# before an upgrade, before scaling, before a rebuild: go or no go",
		r.command("check", "--before upgrade"),
		r.command("check", "--before scale"),
		r.command("check", "--before rebuild"),
		"# an error, an event or a log: who lacked what",
		"kubectl get events -A -o json | " + r.command("explain --from azure", "-"),
		r.command("explain --from azure", "--activity-log --since 6h"),
		"# who changed the roles of these identities, and who could",
		r.command("list", "--changes --since 30d"),
		r.command("who-can --identity", ""),
	})
}
