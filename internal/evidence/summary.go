package evidence

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/plain"
)

//go:embed page
var pages embed.FS

// The summary is one document, printed as Markdown and as a web page: sections of paragraphs, lists and tables.
type (
	document struct {
		Title    string
		Lead     []string
		Sections []section
		Policy   string
		Style    template.CSS
	}
	section struct {
		Title string
		Text  []string
		List  []string
		Table *table
	}
	table struct {
		Heads []string
		Rows  [][]string
	}
)

// summary adds what a reviewer reads first.
func (m *maker) summary() {
	d := document{
		Title: "Evidence: identities of AKS clusters",
		Lead:  m.lead(),
		Sections: []section{m.clusterSection(), m.findingSection(), m.acceptedSection(), m.highSection(), m.changerSection(), m.actorSection(), m.changeSection(), m.breakglassSection(),
			m.unreadSection(), fileSection},
	}
	for i := range d.Lead {
		d.Lead[i] = m.clean(d.Lead[i])
	}
	for i := range d.Sections {
		m.cleanSection(&d.Sections[i])
	}
	m.addText("summary.md", d.markdown())
	page, err := d.html()
	m.fail(err)
	m.addText("summary.html", page)
}

// clean keeps names, which others may have chosen, from doing anything in a text but being read.
func (m *maker) clean(s string) string {
	return plain.Text(m.names.replace(scrub(s)))
}

func (m *maker) cleanSection(s *section) {
	for _, list := range [][]string{s.Text, s.List} {
		for i := range list {
			list[i] = m.clean(list[i])
		}
	}
	if s.Table != nil {
		for _, row := range s.Table.Rows {
			for i := range row {
				row[i] = m.clean(row[i])
			}
		}
	}
}

func (m *maker) lead() []string {
	who := "not known: the files do not say"
	if !m.Collector.Object.IsZero() {
		who = strings.TrimSpace(m.names.person(m.Collector.Object, m.Collector.Name) + " (" + m.Collector.Object.String() + ", tenant " + m.Collector.Tenant.String() + ")")
	}
	read := "not known"
	if !m.Estate.At.IsZero() {
		read = instant(m.Estate.At)
	}
	return []string{
		"Made " + instant(m.Now) + " by aksid " + m.Version + ", from " + m.source() + ", read " + read + ".",
		"Collected by: " + who + ".",
		"Changes of the period " + day(m.From) + " to " + day(m.To) + ".",
		m.facts.tally,
	}
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (m *maker) clusterSection() section {
	t := &table{Heads: []string{"cluster", "resource group", "subscription", "identities", "roles", "errors", "warnings", "notes", "accepted"}}
	for _, c := range m.facts.clusters {
		t.Rows = append(t.Rows, []string{c.id.Name(), c.id.ResourceGroup(), m.Estate.SubscriptionName(c.id.Subscription()), strings.Join(c.identities, "; "),
			fmt.Sprint(len(c.roles)), fmt.Sprint(c.counts[finding.Error]), fmt.Sprint(c.counts[finding.Warning]), fmt.Sprint(c.counts[finding.Note]), fmt.Sprint(c.accepted)})
	}
	return section{Title: "Clusters and their identities", Table: t,
		Text: []string{fmt.Sprintf("%d role assignments, %d eligible or time-bound roles and %d deny assignments concern them: roles/. Fields of the identities: identities/.", m.facts.assignments, m.facts.schedules, m.facts.denies)}}
}

func (m *maker) findingSection() section {
	t := &table{Heads: []string{"cluster", "severity", "what", "why", "rule"}}
	for _, c := range m.facts.clusters {
		for _, f := range c.findings {
			t.Rows = append(t.Rows, []string{c.id.Name(), string(f.Severity), f.Title, f.Detail, f.Rule.ID})
		}
	}
	return section{Title: "Findings", Table: t, Text: []string{"In full, with what mends them: check/report.html."}}
}

func (m *maker) acceptedSection() section {
	t := &table{Heads: []string{"rule", "cluster", "owner", "until", "reason"}}
	for _, a := range m.facts.accepted {
		until := a.Until.Format(time.DateOnly)
		if m.Now.After(a.Until) {
			until += " (expired)"
		}
		cluster := a.Cluster
		if cluster == "" {
			cluster = "every cluster"
		}
		t.Rows = append(t.Rows, []string{a.Rule, cluster, m.names.replace(a.Owner), until, a.Reason})
	}
	return section{Title: "Accepted findings", Table: t}
}

func (m *maker) highSection() section {
	s := section{Title: "Roles of cluster identities on whole subscriptions or above"}
	for _, c := range m.facts.clusters {
		for _, r := range c.high {
			s.List = append(s.List, c.id.Name()+": "+r)
		}
	}
	return s
}

// mostChanges bounds the table of changes; the file has them all.
const mostChanges = 500

func (m *maker) changeSection() section {
	t := &table{Heads: []string{"time", "who", "what", "role", "where", "how it ended"}}
	for _, c := range m.facts.changes {
		if strings.EqualFold(c.Status, "Started") || strings.EqualFold(c.Status, "Accepted") {
			continue
		}
		role, where := "", c.Scope
		if c.Given != nil {
			role, where = c.Given.Role+" for "+c.Given.Name, c.Given.Scope
		}
		t.Rows = append(t.Rows, []string{instant(c.Time), c.Caller, string(c.Operation), role, m.Estate.Place(where, azure.ID{}), strings.TrimSpace(c.Status + " " + c.SubStatus)})
	}
	s := section{Title: "Changes of roles and identities", Table: t, Text: []string{"All entries: activity/changes.json. The activity log holds no reads, and nothing of the data planes."}}
	if n := len(t.Rows); n > mostChanges {
		t.Rows = t.Rows[n-mostChanges:]
		s.Text = append(s.Text, fmt.Sprintf("The last %d of %d are shown.", mostChanges, n))
	}
	return s
}

func (m *maker) breakglassSection() section {
	s := section{Title: "Break-glass"}
	if m.Record == nil {
		s.Text = []string{"There is no break-glass record in this bundle."}
		return s
	}
	s.Text = []string{fmt.Sprintf("The record has %d entries; the digest of its last line is %s.", len(m.Record.Entries), m.Record.Head)}
	for _, p := range m.facts.problems {
		s.List = append(s.List, "The record is not as it was written: "+p)
	}
	s.Table = &table{Heads: []string{"request", "state", "cluster", "why", "roles", "requested by", "approved by"}}
	for _, c := range m.facts.cases {
		var roles []string
		for _, g := range c.Asked.Grants {
			roles = append(roles, g.RoleName+" on "+g.Scope.String()+" for "+g.PrincipalName)
		}
		approver := ""
		if !c.Approver.Object.IsZero() {
			approver = c.Approver.Label()
		}
		s.Table.Rows = append(s.Table.Rows, []string{c.ID, string(c.State(m.Now)), c.Asked.Cluster.Name(), c.Why, strings.Join(roles, "; "), c.By.Label(), approver})
	}
	return s
}

func (m *maker) unreadSection() section {
	s := section{Title: "What could not be read"}
	for _, i := range m.Estate.Incomplete {
		s.List = append(s.List, unread(i))
	}
	for _, sub := range m.matters.subscriptions() {
		if _, ok := m.Estate.LoggedSince(sub); !ok {
			s.List = append(s.List, "the activity log of subscription "+m.Estate.SubscriptionName(sub)+" was not read")
		}
	}
	for _, i := range m.Estate.Unlogged {
		s.List = append(s.List, unread(i)+". Roles that were given there are known from the assignments, those that were taken away are not")
	}
	return s
}

func unread(i estate.Incomplete) string {
	text := i.What + " (" + i.Why + ")"
	if i.Right != "" {
		text += "; it takes " + i.Right
	}
	return text
}

var fileSection = section{Title: "How to check this bundle", List: []string{
	"manifest.json holds the SHA-256 of every file; manifest.json.sig, if it is there, is an SSH signature of it.",
	"aksid evidence verify BUNDLE --signer allowed_signers compares all of them and names what was changed, taken away or added.",
	"Without aksid: sha256sum of the files, and ssh-keygen -Y verify -f allowed_signers -I WHO -n aksid-evidence -s manifest.json.sig < manifest.json.",
}}

// markdown prints the summary for a ticket.
func (d document) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", d.Title)
	for _, l := range d.Lead {
		fmt.Fprintf(&b, "%s  \n", markdown(l))
	}
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		for _, t := range s.Text {
			fmt.Fprintf(&b, "%s\n\n", markdown(t))
		}
		for _, l := range s.List {
			fmt.Fprintf(&b, "- %s\n", markdown(l))
		}
		if s.empty() {
			b.WriteString("None.\n")
		}
		if s.Table == nil || len(s.Table.Rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(s.Table.Heads, " | "), strings.Repeat(" --- |", len(s.Table.Heads)))
		for _, row := range s.Table.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = markdown(c)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	return b.String()
}

// empty reports whether there is nothing in a section but perhaps a text.
func (s section) empty() bool {
	return len(s.List) == 0 && (s.Table != nil && len(s.Table.Rows) == 0 || s.Table == nil && len(s.Text) == 0)
}

// Empty is empty, for the page.
func (s section) Empty() bool { return s.empty() }

// markdown keeps a text from being read as Markdown or HTML.
func markdown(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "<", "&lt;", "&", "&amp;", "#", "\\#").Replace(s)
}

// page is the summary as a web page: one file, without scripts, that reads nothing from anywhere.
var page = template.Must(template.ParseFS(pages, "page/summary.gohtml"))

func (d document) html() (string, error) {
	css, err := pages.ReadFile("page/style.css")
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(css)
	d.Style = template.CSS(css)
	d.Policy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'", base64.StdEncoding.EncodeToString(digest[:]))
	var b strings.Builder
	err = page.Execute(&b, d)
	return b.String(), err
}
