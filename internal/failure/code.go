package failure

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// Code is a row of the catalogue: a code of Azure, Entra, Kubernetes or a client, or a wording that stands for one.
type Code struct {
	Name  string
	Kind  Kind
	Actor Actor // where the code itself tells whose identity it is about
	// Mostly is whose identity it mostly is about, where nothing else tells.
	Mostly Actor
	Rank   Rank
	// NoCode: the name is ours, because the text has no code at all.
	NoCode bool
	// LetIn: it comes from behind the sign-in, so that what is said of a sign-in beside it was a try without identity.
	LetIn  bool
	Status int // HTTP status code it usually comes with; 0: none or several

	Means  string // what it says, in a sentence
	Not    string // what it is often taken for
	Advice string // what helps
	Az     []string
	Source string // the document or the place where it was seen

	Also  []string         // other spellings
	Texts []*azure.Message // the texts that mean this and not another row of the same code
	Says  []string         // wordings that mean it; * stands for any words
}

// Rank orders what is found in one record: what is more special explains what is more general.
type Rank uint8

// Specific codes tell the cause. General ones tell less than others beside them. A Wrapper only says that something
// inside failed.
const (
	Specific Rank = iota
	General
	Wrapper
)

// codes is the catalogue, by topic.
var codes = slices.Concat(armCodes, aksCodes, entraCodes, tokenCodes, dataCodes, kubernetesCodes)

// Lookup finds the rows of a code, in any case; several where one code has several meanings.
func Lookup(name string) []*Code {
	var found []*Code
	for _, c := range codes {
		if strings.EqualFold(c.Name, name) || slices.ContainsFunc(c.Also, func(a string) bool { return strings.EqualFold(a, name) }) {
			found = append(found, c)
		}
	}
	return found
}

// Named finds what a person asks for by a name: the rows of a code, which of Entra's may be the number alone, and be one
// that the catalogue does not have.
func Named(name string) []*Code {
	number := name
	if len(name) > 6 && strings.EqualFold(name[:6], "AADSTS") {
		number = name[6:]
	}
	switch n := len(number); {
	case strings.Trim(number, "0123456789") != "":
		return Lookup(name)
	case n < 5 || n > 8:
		return nil // the status of an answer says less than its text
	}
	if rows := Lookup("AADSTS" + number); len(rows) > 0 {
		return rows
	}
	return []*Code{unknownEntra(number)}
}

// Names are the names and other spellings of all codes.
func Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range codes {
			for _, name := range append([]string{c.Name}, c.Also...) {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// Messages are Azure's own texts with this meaning.
func (c *Code) Messages() []*azure.Message {
	var out []*azure.Message
	for _, m := range azure.Messages() {
		if lexiconOf().byText[m] == c {
			out = append(out, m)
		}
	}
	return out
}

// Example are the commands of the remedy, with what must be filled in.
func (c *Code) Example() []string {
	var out []string
	for _, command := range c.Az {
		out = append(out, (&Failure{}).fillIn(command))
	}
	return out
}

// isName reports whether a name is one word, as codes are, and may be looked for anywhere.
func isName(s string) bool { return !strings.ContainsAny(s, " '=:") && !plainWords[strings.ToLower(s)] }

// plainWords are codes that are everyday words or numbers: they count only where a code is expected.
var plainWords = map[string]bool{
	"forbidden": true, "unauthorized": true, "denied": true, "conflict": true, "badrequest": true, "notfound": true,
	"internalservererror": true, "invalidparameter": true,
}

// lexicon is all that is looked for in a record, in one automaton.
type lexicon struct {
	phrases  *azure.Phrases
	words    map[string]int
	list     []string
	names    map[int][]*Code // phrase → codes of that name
	says     []wording       // wordings of codes
	origins  []originWords   // who writes such lines
	results  []wording       // consequences
	trigger  *azure.Phrases  // what makes a record worth reading
	byText   map[*azure.Message]*Code
	position int // phrase: the word code
}

// wording is a sequence of phrases that must follow each other.
type wording struct {
	code    *Code
	result  *result
	phrases []int
	size    int // letters
}

type originWords struct {
	origin *origin
	phrase int
}

var lexiconOf = sync.OnceValue(func() *lexicon {
	l := &lexicon{words: map[string]int{}, names: map[int][]*Code{}, byText: map[*azure.Message]*Code{}}
	triggers := slices.Clone(triggerWords)
	for _, c := range codes {
		for _, name := range append([]string{c.Name}, c.Also...) {
			if !c.NoCode && !strings.Contains(name, " ") && name[0] >= 'A' && name[0] <= 'Z' {
				at := l.phrase(name)
				l.names[at] = append(l.names[at], c)
			}
			if !c.NoCode && !strings.Contains(name, " ") && !digit(name[0]) {
				triggers = append(triggers, name)
			}
		}
		for _, says := range c.Says {
			w := l.wording(says)
			w.code = c
			l.says = append(l.says, w)
			triggers = append(triggers, l.longest(w))
		}
	}
	for i := range results {
		w := l.wording(results[i].says)
		w.result = &results[i]
		l.results = append(l.results, w)
		triggers = append(triggers, l.longest(w))
	}
	for i := range origins {
		for _, word := range origins[i].words {
			l.origins = append(l.origins, originWords{&origins[i], l.phrase(word)})
		}
	}
	l.position = l.phrase("code")
	l.phrases, l.trigger = azure.NewPhrases(l.list), azure.NewPhrases(triggers)
	l.linkTexts()
	return l
})

// triggerWords stand near errors of Azure whose code or wording is not in the catalogue.
var triggerWords = []string{"original error", "errorcode", "error code", "service returned an error", "unexpected status",
	"rawerror", "AADSTS", "statusmessage", "errordetail", "error with code"}

// linkTexts finds the row of each of Azure's texts: the row that names the text, else the first of its code.
func (l *lexicon) linkTexts() {
	for _, c := range codes {
		for _, m := range c.Texts {
			l.byText[m] = c
		}
	}
	for _, m := range azure.Messages() {
		if l.byText[m] != nil {
			continue
		}
		rows := slices.DeleteFunc(Lookup(m.Code), func(c *Code) bool { return len(c.Texts) > 0 })
		if len(rows) > 0 {
			l.byText[m] = rows[0]
			continue
		}
		l.byText[m] = &Code{Name: m.Code, Kind: NotIdentity, Rank: General, Status: m.Status, Means: m.Text, Source: m.Source}
	}
}

func (l *lexicon) phrase(words string) int {
	key := strings.ToLower(words)
	at, ok := l.words[key]
	if !ok {
		at = len(l.list)
		l.words[key] = at
		l.list = append(l.list, words)
	}
	return at
}

func (l *lexicon) wording(says string) (w wording) {
	for part := range strings.SplitSeq(says, "*") {
		part = strings.TrimSpace(part)
		w.phrases = append(w.phrases, l.phrase(part))
		w.size += len(part)
	}
	return w
}

// longest is the longest phrase of a wording.
func (l *lexicon) longest(w wording) string {
	return l.list[slices.MaxFunc(w.phrases, func(a, b int) int { return len(l.list[a]) - len(l.list[b]) })]
}
