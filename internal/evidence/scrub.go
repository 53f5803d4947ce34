package evidence

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// taken stands where something that looks like a secret was.
const taken = "[taken out: it looks like a secret]"

// secrets are the shapes of what gives access by itself. What they match is taken out of every text, whoever wrote it there.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`),                                                                  // a token
	regexp.MustCompile(`(?i)\b(AccountKey|SharedAccessKey|AccessKey|Password|Pwd|client_?secret)\s*[=:]\s*[^\s"'<>&,;|\\]+`), // of connection strings and arguments
	regexp.MustCompile(`(?i)\b(sig|sv|code)=[\w%+/=-]{20,}`),                                                                 // of signed addresses
	regexp.MustCompile(`(?i)\bBearer\s+[\w.~+/=-]{16,}`),
	regexp.MustCompile(`[\w~.-]{3}[78]Q~[\w~.-]{31,}`),                                      // a client secret of Entra
	regexp.MustCompile(`[A-Za-z0-9+/]{76}(AzCa|ACDb|\+ASt|AIoT|\+AMC|[A-Za-z0-9+/]{10}==)`), // an access key of Azure
}

// scrub takes out of a text what looks like a secret.
func scrub(s string) string {
	for _, shape := range secrets {
		s = shape.ReplaceAllString(s, taken)
	}
	return s
}

// pseudonyms replace the display names of people, groups and applications. They follow from the object id, so that the same
// principal has the same one in every bundle. The zero value replaces nothing.
type pseudonyms struct {
	on    bool
	names []pseudonym // longest first
}

type pseudonym struct{ name, by string }

func newPseudonyms(in Input) *pseudonyms {
	p, e := &pseudonyms{on: true}, in.Estate
	for o := range e.Objects() {
		if p.hides(o) {
			p.note(o.Name, p.of(o))
		}
	}
	for _, v := range e.Events() { // which have user names
		if strings.Contains(v.Caller, "@") {
			p.note(v.Caller, p.person(v.Principal, v.Caller))
		}
	}
	for _, a := range in.Check.Tuning.Accepted() {
		p.note(a.Owner, p.person(azure.GUID{}, a.Owner))
	}
	p.note(in.Collector.Name, p.person(in.Collector.Object, in.Collector.Name))
	for _, c := range in.cases() {
		for _, step := range c.Steps {
			p.note(step.By.Name, p.person(step.By.Object, step.By.Name))
		}
		for _, g := range c.Asked.Grants {
			if !strings.EqualFold(g.PrincipalType, "ServicePrincipal") {
				p.note(g.PrincipalName, p.person(g.Principal, g.PrincipalName))
			}
		}
	}
	slices.SortFunc(p.names, func(x, y pseudonym) int {
		return cmp.Or(len(y.name)-len(x.name), strings.Compare(x.name, y.name), strings.Compare(x.by, y.by))
	})
	p.names = slices.CompactFunc(p.names, func(x, y pseudonym) bool { return x.name == y.name })
	return p
}

// note notes a name and what stands for it, also as HTML has it. Names of one or two letters would be found in any text.
func (p *pseudonyms) note(name, by string) {
	if utf8.RuneCountInString(name) > 2 {
		p.names = append(p.names, pseudonym{name, by}, pseudonym{html.EscapeString(name), by})
	}
}

// hides reports whether an object's name is redacted. Those of managed identities are names of resources, which ids have as well.
func (p *pseudonyms) hides(o estate.Object) bool { return p.on && o.Name != "" && o.Managed.IsZero() }

// of is the name that an object goes by.
func (p *pseudonyms) of(o estate.Object) string {
	if !p.hides(o) {
		return o.Name
	}
	kind := strings.ToLower(cmp.Or(o.Type, "principal"))
	if kind == "user" {
		return p.person(o.ID, o.Name)
	}
	return kind + "-" + short(o.ID.String())
}

// person is the name of somebody of whom the object id may not be known.
func (p *pseudonyms) person(id azure.PrincipalID, name string) string {
	switch {
	case !p.on || name == "":
		return name
	case id.IsZero():
		return "person-" + short(strings.ToLower(name))
	}
	return "person-" + short(id.String())
}

func short(s string) string {
	sum := sha256.Sum256([]byte("aksid evidence " + s))
	return hex.EncodeToString(sum[:4])
}

// replace puts pseudonyms for the names in a text, where they stand as whole words.
func (p *pseudonyms) replace(s string) string {
	for _, n := range p.names {
		s = replaceWord(s, n.name, n.by)
	}
	return s
}

func replaceWord(s, name, by string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, name)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(name):])
		b.WriteString(s[:i])
		if inWord(before) || inWord(after) {
			b.WriteString(name)
		} else {
			b.WriteString(by)
		}
		s = s[i+len(name):]
	}
}

// inWord reports whether a name goes on at a rune: resource names and ids have slashes and dashes about them.
func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' || r == '/')
}
