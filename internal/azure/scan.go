package azure

import (
	"iter"
	"slices"
	"sync"
)

// Match is a Message found in a text.
type Match struct {
	Message    *Message
	Fields     Fields // those that are there, whole and not empty
	Start, End int    // where it stands in the text
	Truncated  bool   // fields are missing: the text ends too early, or somebody shortened it

	score, order int
}

// Scan finds a message in a text from which escapes have been removed. It may be broken into lines anywhere, be in any
// case, lack its beginning, its end or clauses in the middle, and be cut off at any point; a field that was cut off is
// not in the Match. Line breaks inside of a field are removed.
func (m *Message) Scan(text string) iter.Seq[Match] {
	c := compile(m)
	phrases := make([]string, len(c.clauses))
	for i, cl := range c.clauses {
		phrases[i] = cl.words
	}
	var hits []clauseHit
	for _, h := range NewPhrases(phrases).Find(text) {
		hits = append(hits, clauseHit{h.Phrase, h.Start, h.End})
	}
	return slices.Values(c.matches(text, hits))
}

// Scan finds all messages of Messages in a text. Where several explain the same words, the one that explains most wins.
func Scan(text string) []Match {
	all := lexicon()
	hits := make([][]clauseHit, len(all.compiled)) // by message
	strong := make([]bool, len(all.compiled))
	for _, h := range all.phrases.Find(text) {
		for _, u := range all.uses[h.Phrase] {
			hits[u.message] = append(hits[u.message], clauseHit{u.clause, h.Start, h.End})
			strong[u.message] = strong[u.message] || u.strong
		}
	}
	var found []Match
	for m := range strong {
		if strong[m] {
			found = append(found, all.compiled[m].matches(text, hits[m])...)
		}
	}
	return best(found)
}

// Mentions reports whether the words of any message may be in a text, escapes and all.
func Mentions(text []byte) bool { return lexicon().strong.Any(text) }

// best keeps the matches that explain most where they overlap, in the order of the text.
func best(found []Match) []Match {
	slices.SortFunc(found, func(a, b Match) int {
		switch {
		case a.score != b.score:
			return b.score - a.score
		case a.Start != b.Start:
			return a.Start - b.Start
		}
		return a.order - b.order
	})
	var kept []Match
	for _, f := range found {
		if !slices.ContainsFunc(kept, func(k Match) bool { return f.Start < k.End && k.Start < f.End }) {
			kept = append(kept, f)
		}
	}
	slices.SortFunc(kept, func(a, b Match) int { return a.Start - b.Start })
	return kept
}

// use says that a phrase is a clause of a message, and whether it is reason enough to look for the message.
type use struct {
	message, clause int
	strong          bool
}

// lexicon is what Scan needs of all messages, prepared once.
var lexicon = sync.OnceValue(func() *lexiconOf {
	l := &lexiconOf{}
	index := map[string]int{}
	var phrases, strong []string
	for i, m := range messages {
		c := compile(m)
		c.order = i
		l.compiled = append(l.compiled, c)
		for j, cl := range c.clauses {
			key := string(letters(cl.words))
			at, known := index[key]
			if !known {
				at = len(phrases)
				index[key] = at
				phrases = append(phrases, cl.words)
				l.uses = append(l.uses, nil)
			}
			if cl.strong {
				strong = append(strong, cl.words)
			}
			l.uses[at] = append(l.uses[at], use{i, j, cl.strong})
		}
	}
	l.phrases, l.strong = NewPhrases(phrases), NewPhrases(strong)
	return l
})

type lexiconOf struct {
	compiled []*compiled
	phrases  *Phrases
	uses     [][]use  // phrase → clauses
	strong   *Phrases // those that identify a message
}
