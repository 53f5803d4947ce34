package rbac

import (
	"flag"
	"fmt"
	"hash/fnv"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata/corpus")

// A corpus file has a policy, changes of it (if there are any) and questions with their answers. testdata/corpus/README
// describes the lines. Each question is put to the engine in all four ways and to the naive implementation.

// corpus reads one file.
type corpus struct {
	*testing.T
	naive
	names      map[azure.GUID]string
	scopes     map[string]azure.ID
	conditions map[string]string
}

func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCorpus(t, file) })
	}
}

func runCorpus(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &corpus{T: t, names: map[azure.GUID]string{}, scopes: map[string]azure.ID{"root": azure.Root}, conditions: map[string]string{}}
	p := New()
	for i := range a.Files {
		f := &a.Files[i]
		switch f.Name {
		case "policy", "changes":
			p = p.With(c.changes(string(f.Data))...)
		case "answers":
			got := c.answers(p, string(f.Data))
			if *update {
				f.Data = []byte(got)
			} else if got != string(f.Data) {
				t.Errorf("%s", firstDifference(got, string(f.Data)))
			}
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// firstDifference shows the question that is answered otherwise.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	question := ""
	for i := range min(len(a), len(b)) {
		if !strings.HasPrefix(b[i], " ") {
			question = b[i]
		}
		if a[i] != b[i] {
			return fmt.Sprintf("%s\ngot  %s\nwant %s", question, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// id is a made-up object id for a name.
func (c *corpus) id(name string) azure.GUID {
	if name == "nobody" {
		return azure.GUID{}
	}
	h := fnv.New128a()
	h.Write([]byte(name))
	id := azure.GUID(h.Sum(nil))
	c.names[id] = name
	return id
}

func (c *corpus) ids(names string) []azure.GUID {
	list := []azure.GUID{}
	for _, n := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' }) {
		list = append(list, c.id(n))
	}
	return list
}

// scope is an id, a name given to one, or such a name with more behind it.
func (c *corpus) scope(s string) azure.ID {
	name, rest, more := strings.Cut(s, "/")
	id, ok := c.scopes[name]
	switch {
	case name == "":
		return azure.MustID(s)
	case !ok:
		c.Fatalf("unknown scope %q", s)
	case more:
		return id.Join(rest)
	}
	return id
}

func (c *corpus) time(hour string) time.Time {
	t, err := time.Parse("15:04", hour)
	if err != nil {
		c.Fatal(err)
	}
	return t.AddDate(2026, 0, 0)
}

// times are those of from= and until=, zero where they are not given.
func (c *corpus) times(o options) (from, until time.Time) {
	if o.has("from") {
		from = c.time(o["from"])
	}
	if o.has("until") {
		until = c.time(o["until"])
	}
	return from, until
}

// options are name=value words; a word without = is its own name.
type options map[string]string

func optionsOf(words []string) options {
	o := options{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		o[name] = value
	}
	return o
}

func (o options) has(name string) bool { _, ok := o[name]; return ok }

func list(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

// permissions are elements between + signs.
func (c *corpus) permissions(words []string) []Permission {
	var all []Permission
	for len(words) > 0 {
		n := slices.Index(words, "+")
		if n < 0 {
			n = len(words)
		}
		o := optionsOf(words[:n])
		all = append(all, Permission{Actions: list(o["actions"]), NotActions: list(o["notActions"]), DataActions: list(o["dataActions"]),
			NotDataActions: list(o["notDataActions"]), Condition: c.named(o)})
		words = words[min(n+1, len(words)):]
	}
	return all
}

func (c *corpus) changes(text string) []Change {
	var all []Change
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			all = append(all, c.change(f[0], f[1:], line)...)
		}
	}
	return all
}

// change reads one line of a policy, for the naive implementation and for the engine.
func (c *corpus) change(verb string, f []string, line string) []Change {
	n := &c.naive
	switch verb {
	case "scope":
		c.scopes[f[0]] = c.scope(f[1])
		return nil
	case "condition":
		c.condition(f, line)
		return nil
	case "role":
		r := Role{ID: c.id(f[0]), Name: f[0], Permissions: c.permissions(f[1:])}
		n.roles = append(without(n.roles, func(o Role) bool { return o.ID == r.ID }), r)
		return []Change{PutRole(r)}
	case "built-in":
		r := *builtIn(c, strings.ReplaceAll(f[0], "_", " "))
		r.ID = c.id(f[0])
		n.roles = append(n.roles, r)
		return []Change{PutRole(r)}
	case "remove-role":
		n.roles = without(n.roles, func(o Role) bool { return o.ID == c.id(f[0]) })
		return []Change{RemoveRole(c.id(f[0]))}
	case "grant":
		g := c.grant(f)
		n.grants = append(without(n.grants, func(o Grant) bool { return o.ID.Equal(g.ID) }), g)
		return []Change{AddGrant(g)}
	case "remove-grant":
		id := azure.Root.Join(f[0])
		n.grants = without(n.grants, func(o Grant) bool { return o.ID.Equal(id) })
		return []Change{RemoveGrant(id)}
	case "deny":
		d := c.deny(f)
		n.denies = append(without(n.denies, func(o Deny) bool { return o.ID.Equal(d.ID) }), d)
		return []Change{PutDeny(d)}
	case "remove-deny":
		id := azure.Root.Join(f[0])
		n.denies = without(n.denies, func(o Deny) bool { return o.ID.Equal(id) })
		return []Change{RemoveDeny(id)}
	case "member":
		m := Membership{Group: c.id(f[1]), Member: c.id(f[0])}
		m.From, m.Until = c.times(optionsOf(f[2:]))
		n.members = append(n.members, m)
		return []Change{AddMembership(m)}
	case "remove-member":
		group, member := c.id(f[1]), c.id(f[0])
		n.members = without(n.members, func(o Membership) bool { return o.Group == group && o.Member == member })
		return []Change{RemoveMember(group, member)}
	case "under":
		n.parents = append(without(n.parents, func(o [2]azure.ID) bool { return o[0].Equal(c.scope(f[0])) }), [2]azure.ID{c.scope(f[0]), c.scope(f[1])})
		return []Change{SetParent(c.scope(f[0]), c.scope(f[1]))}
	case "unread":
		n.unread = append(n.unread, c.scope(f[0]))
		return []Change{MarkUnread(c.scope(f[0]), strings.Join(f[1:], " "))}
	case "unread-groups":
		n.unknownGroups = append(n.unknownGroups, c.id(f[0]))
		return []Change{MarkUnreadGroups(c.id(f[0]))}
	}
	c.Fatalf("unknown line %q", line)
	return nil
}

func (c *corpus) grant(f []string) Grant {
	g := Grant{ID: azure.Root.Join(f[0]), Principal: c.id(f[1]), Role: c.id(f[2]), Scope: c.scope(f[3])}
	o := optionsOf(f[4:])
	g.From, g.Until = c.times(o)
	g.Condition = c.named(o)
	return g
}

func (c *corpus) deny(f []string) Deny {
	n := slices.IndexFunc(f, func(w string) bool { return strings.Contains(strings.ToLower(w), "actions=") })
	o := optionsOf(f[2:n])
	d := Deny{ID: azure.Root.Join(f[0]), Name: f[0], Scope: c.scope(f[1]), Everyone: o.has("everyone"), NotChildren: o.has("own-scope-only"),
		Principals: c.ids(o["for"]), Except: c.ids(o["except"]), Permissions: c.permissions(f[n:])}
	if o.has("until") {
		d.Until = c.time(o["until"])
	}
	return d
}

// condition names a text, or with of=ROLE the built-in role's.
func (c *corpus) condition(f []string, line string) {
	head, text, _ := strings.Cut(line, ": ")
	o := optionsOf(strings.Fields(head))
	if o.has("of") {
		for _, p := range builtIn(c, strings.ReplaceAll(o["of"], "_", " ")).Permissions {
			text = max(text, p.Condition)
		}
	}
	c.conditions[strings.TrimSuffix(f[0], ":")] = strings.TrimSpace(text)
}

// named is the condition that if=NAME refers to.
func (c *corpus) named(o options) string {
	text, ok := c.conditions[o["if"]]
	if o.has("if") && !ok {
		c.Fatalf("unknown condition %q", o["if"])
	}
	return text
}

// answers puts the questions of a section and prints them with the answers.
func (c *corpus) answers(p *Policy, section string) string {
	var b strings.Builder
	for line := range strings.Lines(section) {
		switch {
		case strings.HasPrefix(line, " "):
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
			b.WriteString(line)
		default:
			question, _, _ := strings.Cut(line, " = ")
			c.answer(&b, p, strings.TrimSpace(question))
		}
	}
	return b.String()
}

func (c *corpus) answer(b *strings.Builder, p *Policy, question string) {
	f := strings.Fields(question)
	r := Request{Principal: c.id(f[0]), Action: azure.Action(f[1]), Scope: c.scope(f[2])}
	o := optionsOf(f[3:])
	r.Data = o.has("data")
	if o.has("at") {
		r.At = c.time(o["at"])
	}
	if o.has("groups") {
		r.Groups = c.ids(o["groups"])
	}
	r.Attributes = attributes(o)
	w := &world{naive: c.naive}
	w.ask(c.T, p, r)
	w.askWho(c.T, p, r)
	x := p.Explain(r)
	fmt.Fprintf(b, "%s = %s\n", question, c.outcome(x.Decision))
	for _, g := range x.Grants {
		fmt.Fprintf(b, "  %s %s%s\n", g.By.ID.Name(), why(g.Reason, g.Pattern), c.way(g.Groups, g.Scopes))
	}
	for _, d := range x.Denies {
		fmt.Fprintf(b, "  %s %s%s\n", d.By.Name, why(d.Reason, d.Pattern), c.way(d.Groups, d.Scopes))
	}
	ask := p.WhoCan
	if r.Data {
		ask = p.WhoCanData
	}
	fmt.Fprintf(b, "  who can:%s; reach:%s\n", names(ask(r.Action, r.Scope)), names(p.Permissions(r.Principal, r.Scope)))
	for _, u := range x.Unread {
		fmt.Fprintf(b, "  %s could not be read: %s\n", c.scopeName(u.Scope), u.Why)
	}
	if x.UnknownGroups {
		fmt.Fprintf(b, "  groups could not be read\n")
	}
}

// attributes are those of a question: @Source[name]=value. The other attributes of such a source are missing; of the
// other sources they are not known, except with the word known.
func attributes(o options) Attributes {
	var a Attributes
	for i, m := range []*map[string]any{&a.Request, &a.Resource, &a.Principal, &a.Environment} {
		prefix := "@" + sourceNames[i] + "["
		for name, v := range o {
			if name, ok := strings.CutPrefix(name, prefix); ok || o.has("known") && *m == nil {
				if *m == nil {
					*m = map[string]any{}
				}
				if ok {
					(*m)[strings.TrimSuffix(name, "]")] = attributeValue(v)
				}
			}
		}
	}
	return a
}

// attributeValue is a text, a number, true or false, or with commas a list of texts; a comma alone is an empty list.
func attributeValue(s string) any {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	if strings.Contains(s, ",") {
		return list(s)
	}
	if s == "true" || s == "false" {
		return s == "true"
	}
	return s
}

// names are the assignments' own, in the order in which they come.
func names(grants iter.Seq[Grant]) string {
	s := ""
	for g := range grants {
		s += " " + g.ID.Name()
	}
	return s
}

func (c *corpus) outcome(d Decision) string {
	s := d.Outcome.String()
	if d.By != nil {
		s += " by " + d.By.ID.Name()
	}
	if d.Deny != nil {
		s += " by " + d.Deny.Name
	}
	if d.Condition {
		s += ", condition"
	}
	return s
}

func why(r Reason, pattern string) string {
	if pattern != "" {
		return r.String() + " (" + pattern + ")"
	}
	return r.String()
}

func (c *corpus) way(groups []azure.GUID, scopes []azure.ID) string {
	s := ""
	for _, g := range groups {
		s += " > " + c.names[g]
	}
	for _, id := range scopes {
		s += " ^ " + c.scopeName(id)
	}
	return s
}

func (c *corpus) scopeName(id azure.ID) string {
	for name, s := range c.scopes {
		if s.Equal(id) {
			return name
		}
	}
	return id.String()
}
