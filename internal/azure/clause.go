package azure

import (
	"cmp"
	"slices"
	"strings"
)

// A clause is a run of a message's fixed words, and the field behind it if one stands there.
type clause struct {
	words, field  string
	before, after string // what stands around the field: punctuation behind the last letter, and all up to the next field
	letters       int
	span          int  // length of the fixed words between two fields that it was taken from
	strong        bool // identifies the message by itself
}

type compiled struct {
	message *Message
	order   int // among all messages
	clauses []clause
	letters int // of all clauses
	fields  int // how many different ones
}

// strongLetters is how long fixed words must be to identify a message by themselves.
const strongLetters = 16

// compile takes a text apart into clauses: what leads to a field, what ends one, and longer sentences in between.
// A field without words before it is not scanned for.
func compile(m *Message) *compiled {
	c := &compiled{message: m}
	parts := split(m.Text)
	for i, p := range parts {
		if n := len(c.clauses); i > 0 && len(letters(parts[i-1].after)) > 0 {
			c.clauses[n-1].field, c.clauses[n-1].before, c.clauses[n-1].after = p.field, afterLetters(parts[i-1].after), p.after
		}
		c.addWords(p.after, i > 0)
	}
	longest := 0
	for _, cl := range c.clauses {
		c.letters += cl.letters
		longest = max(longest, cl.letters)
	}
	names := map[string]bool{}
	for i := range c.clauses {
		if f := c.clauses[i].field; f != "" {
			names[f] = true
		}
		c.clauses[i].strong = c.clauses[i].letters >= min(strongLetters, longest)
	}
	c.fields = len(names)
	return c
}

// addWords adds the clauses of the fixed words between two fields: the first ends the field before, the last leads to
// the next.
func (c *compiled) addWords(text string, afterField bool) {
	all := sentences(text)
	for i, s := range all {
		n := len(letters(s))
		if i == 0 && afterField || i == len(all)-1 || n >= strongLetters {
			c.clauses = append(c.clauses, clause{words: s, letters: n, span: len(text)})
		}
	}
}

func afterLetters(text string) string {
	i := len(text)
	for i > 0 && symbol[text[i-1]] < 0 {
		i--
	}
	return text[i:]
}

func beforeLetters(text string) string {
	i := 0
	for i < len(text) && symbol[text[i]] < 0 {
		i++
	}
	return text[:i]
}

// sentences cuts fixed words at punctuation and drops conjunctions, which people leave out when they shorten a text.
func sentences(text string) []string {
	var out []string
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && !endsSentence(text, i) {
			continue
		}
		s := text[start:i]
		if len(out) > 0 {
			s = withoutConjunctions(s)
		}
		if len(letters(s)) > 0 {
			out = append(out, s)
		}
		start = i + 1
	}
	return out
}

func endsSentence(text string, i int) bool {
	switch text[i] {
	case ';', '\n', '\r':
		return true
	case '.', ':', ',', '?', '!':
		return i+1 == len(text) || symbol[text[i+1]] < 0 && text[i+1] != '/'
	}
	return false
}

func withoutConjunctions(s string) string {
	for {
		s = strings.TrimLeft(s, " '\"(")
		word, rest, _ := strings.Cut(s, " ")
		switch strings.ToLower(word) {
		case "however", "it", "and", "or", "but":
			if len(letters(rest)) > 5 {
				s = rest
				continue
			}
		}
		return s
	}
}

// clauseHit is a place where a clause's words stand.
type clauseHit struct{ clause, start, end int }

// matches finds the message in a text in which its clauses' words stand at hits.
func (c *compiled) matches(text string, hits []clauseHit) []Match {
	slices.SortFunc(hits, func(a, b clauseHit) int {
		return cmp.Or(a.start-b.start, b.end-a.end, a.clause-b.clause)
	})
	var out []Match
	for i := 0; i < len(hits); {
		m, next, ok := c.match(text, hits[i:])
		if !ok {
			i++
			continue
		}
		out = append(out, m)
		i += next
	}
	return out
}

// match follows the clauses from the first hit on, as long as they come in the message's order and close together.
// next is the first hit that does not belong to the match.
func (c *compiled) match(text string, hits []clauseHit) (m Match, next int, ok bool) {
	m = Match{Message: c.message, Fields: Fields{}, order: c.order, Start: hits[0].start, End: hits[0].start}
	last, seen, cut := -1, 0, false
	for ; next < len(hits) && !cut; next++ {
		h := hits[next]
		if h.start < m.End {
			continue // inside of a value, or a part of words that are used already
		}
		if h.clause <= last && next+1 < len(hits) && hits[next+1].start == h.start {
			continue // the same words lead to two fields
		}
		if h.clause <= last || last >= 0 && h.start-m.End > c.reach(last, h.clause) {
			break
		}
		last = h.clause
		cl := c.clauses[last]
		seen += cl.letters
		ok = ok || cl.letters >= strongLetters
		m.End = h.end
		if cl.field != "" {
			cut = !c.read(&m, text, h, hits[next+1:])
		}
	}
	m.Truncated = len(m.Fields) < c.fields
	m.score = 2*seen - 10*(c.fields-len(m.Fields))
	if !ok { // only everyday words: then all of them
		return m, next, seen == c.letters && !m.Truncated
	}
	return m, next, 2*seen >= min(3*strongLetters, c.letters)
}

// reach is how far apart the words of two clauses may stand, beyond what the first one's field takes.
func (c *compiled) reach(from, to int) int {
	n := 64
	for i := from; i < to; i++ {
		cl := c.clauses[i]
		n += cl.span
		if cl.field != "" && (i > from || len(letters(cl.after)) == 0) {
			n += 512
		}
	}
	return n
}

// read takes the value of a field that stands behind the words at h; it reports false where the text ends inside of it.
func (c *compiled) read(m *Match, text string, h clauseHit, later []clauseHit) bool {
	v := value{clause: &c.clauses[h.clause], spacing: spacings[c.clauses[h.clause].field], next: -1}
	limit := min(len(text), h.end+maxValue)
	if len(letters(v.clause.after)) > 0 {
		v.next = follower(text[:limit], h, later)
	}
	s, end, whole := v.read(text[:limit], h.end)
	m.End = end
	if whole && s != "" {
		m.Fields[v.clause.field] = s
	}
	return whole
}

// follower is where the words begin that follow a field, or -1 where they do not before the message begins anew.
func follower(text string, h clauseHit, later []clauseHit) int {
	for _, l := range later {
		switch {
		case l.start >= len(text):
			return -1
		case l.start < h.end || text[l.start-1] == '/' || text[l.start-1] == '.':
		case l.clause == h.clause+1:
			return l.start
		case l.clause <= h.clause && l.end-l.start >= strongLetters:
			return -1
		}
	}
	return -1
}
