package failure

import (
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
)

// reading is a record while it is read.
type reading struct {
	text    string // unwrapped
	hits    []azure.Hit
	matches []azure.Match
	seen    []sighting
	origins []*origin
	results []*result
	piped   bool        // a pipeline's runner printed it
	lines   []mark      // where lines with a time begin
	named   []time.Time // times that a record without such lines names
}

// times are when what stands at an offset was first and last seen; nil where that is not known.
func (r *reading) times(at int) (first, last *time.Time) {
	if len(r.lines) > 0 {
		if t := (&record{lines: r.lines}).at(at); !t.IsZero() {
			return &t, &t
		}
		return nil, nil
	}
	for i := range r.named {
		if t := &r.named[i]; first == nil || t.Before(*first) {
			first = t
		}
		if t := &r.named[i]; last == nil || t.After(*last) {
			last = t
		}
	}
	return first, last
}

// sighting is a code that a record prints or implies.
type sighting struct {
	code       *Code
	printed    string // "" if a wording implies it
	start, end int
	used       bool
}

// read finds the failures that an unwrapped text tells of, and the consequences. source is who wrote it, if known.
func read(text, source string) *reading {
	l := lexiconOf()
	r := &reading{text: text, piped: source == pipeline}
	if source != "" && !r.piped {
		r.text += "\n" + source
	}
	r.matches = azure.Scan(r.text)
	r.hits = l.phrases.Find(r.text)
	r.findCodes(l)
	r.findEntra()
	r.findWordings(l)
	r.findOrigins(l)
	return r
}

// findCodes finds printed codes: those of the catalogue anywhere, others where a code is expected.
func (r *reading) findCodes(l *lexicon) {
	for _, h := range r.hits {
		if rows := l.names[h.Phrase]; rows != nil {
			printed := unbroken(r.text[h.Start:h.End])
			known := slices.ContainsFunc(rows, func(c *Code) bool { return c.is(printed) }) // and not the words of it
			if known && (isName(printed) || r.expectsCode(h.Start, h.End)) {
				r.seen = append(r.seen, sighting{code: plainest(rows), printed: printed, start: h.Start, end: h.End})
			}
		}
		if h.Phrase == l.position {
			r.findUnknown(h.End)
		}
	}
}

// unbroken is a word without the line breaks that wrapping put into it.
func unbroken(s string) string {
	if !strings.Contains(s, "\n") {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}

// plainest is the row that a code means if nothing but the code is there.
func plainest(rows []*Code) *Code {
	for _, better := range []func(*Code) bool{
		func(c *Code) bool { return len(c.Texts) == 0 && len(c.Says) == 0 },
		func(c *Code) bool { return c.Rank != Specific },
	} {
		if i := slices.IndexFunc(rows, better); i >= 0 {
			return rows[i]
		}
	}
	return rows[0]
}

// expectsCode reports whether a word stands where codes stand: behind code, errorCode and the like, or in parentheses.
func (r *reading) expectsCode(start, end int) bool {
	before := strings.TrimRight(r.text[max(0, start-24):start], " \n\"'`:=>(")
	if strings.HasPrefix(r.text[end:], " desc") {
		return false // gRPC's
	}
	if len(before) >= 4 && strings.EqualFold(before[len(before)-4:], "code") {
		return true
	}
	return start > 0 && r.text[start-1] == '(' && end < len(r.text) && r.text[end] == ')'
}

// findUnknown takes the word behind code if it looks like one and the catalogue does not have it.
func (r *reading) findUnknown(at int) {
	rest := r.text[at:]
	word := strings.TrimLeft(rest, " \n\"'`:=>(")
	if skipped := rest[:len(rest)-len(word)]; len(skipped) > 12 || !strings.ContainsAny(skipped, ":=>\"") || skipped == " = " {
		return // the last is gRPC's
	}
	n := 0
	for n < len(word) && (isLetter(word[n]) || n > 0 && (digit(word[n]) || word[n] == '_')) {
		n++
	}
	if n < 5 || n > 80 || word[0] < 'A' || word[0] > 'Z' || len(Lookup(word[:n])) > 0 || n < len(word) && word[n] == '.' {
		return
	}
	kind := NotIdentity
	for _, hint := range []string{"Permission", "Authoriz", "Forbidden", "AccessDenied", "Identity", "Credential", "Principal"} {
		if strings.Contains(word[:n], hint) {
			kind = Unknown
		}
	}
	code := &Code{Name: word[:n], Kind: kind, Rank: General, Means: "A code that is not in the catalogue.", Advice: "Read the message that comes with it."}
	start := at + len(rest) - len(word)
	r.seen = append(r.seen, sighting{code: code, printed: code.Name, start: start, end: start + n})
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// findEntra finds AADSTS and a number, which the catalogue need not have.
func (r *reading) findEntra() {
	for _, name := range []string{"AADSTS", "aadsts"} {
		for at := 0; ; {
			i := strings.Index(r.text[at:], name)
			if i < 0 {
				break
			}
			at += i + len(name)
			r.entraNumber(at-len(name), at)
		}
	}
}

// entraNumber reads the number behind AADSTS, which begins at start.
func (r *reading) entraNumber(start, at int) {
	end := at
	for end < len(r.text) && (digit(r.text[end]) || r.text[end] == '\n' && end+1 < len(r.text) && digit(r.text[end+1])) {
		end++
	}
	number := unbroken(r.text[at:end])
	if len(number) < 4 || slices.ContainsFunc(r.seen, func(s sighting) bool { return s.start == start }) {
		return
	}
	name := "AADSTS" + number
	code := unknownEntra(number)
	if rows := Lookup(name); len(rows) > 0 {
		code = rows[0]
	}
	r.seen = append(r.seen, sighting{code: code, printed: name, start: start, end: end})
}

// unknownEntra is a code of Entra's that the catalogue does not have, by its number.
func unknownEntra(number string) *Code {
	return &Code{Name: "AADSTS" + number, Kind: Unknown, Means: "An error of Microsoft Entra that is not in the catalogue. Before a token there is no role to speak of.",
		Advice: "Look it up: https://login.microsoftonline.com/error?code=" + number, Source: learnEntra}
}

// findWordings finds what is said without a code, and consequences.
func (r *reading) findWordings(l *lexicon) {
	places := map[int][]azure.Hit{}
	for _, h := range r.hits {
		places[h.Phrase] = append(places[h.Phrase], h)
	}
	for _, w := range l.says {
		if start, end := w.find(places); end > 0 {
			r.seen = append(r.seen, sighting{code: w.code, start: start, end: end})
		}
	}
	for _, w := range l.results {
		if _, end := w.find(places); end > 0 {
			r.results = append(r.results, w.result)
		}
	}
}

// maxGap is how far apart the phrases of a wording may be.
const maxGap = 2000

// find is where the phrases of a wording first follow each other; end is 0 where they do not.
func (w wording) find(places map[int][]azure.Hit) (start, end int) {
	for _, first := range places[w.phrases[0]] {
		start, end = first.Start, first.End
		for _, p := range w.phrases[1:] {
			i := slices.IndexFunc(places[p], func(h azure.Hit) bool { return h.Start >= end })
			if i < 0 {
				return 0, 0 // nor will it for a later first
			}
			if places[p][i].Start > end+maxGap {
				start = -1
				break
			}
			end = places[p][i].End
		}
		if start >= 0 {
			return start, end
		}
	}
	return 0, 0
}

// findOrigins finds who writes such lines, the most telling first. What stands inside of Azure's own sentences does not
// count: names of resources are the users'.
func (r *reading) findOrigins(l *lexicon) {
	for _, o := range l.origins {
		if slices.Contains(r.origins, o.origin) {
			continue
		}
		word := l.list[o.phrase]
		if slices.ContainsFunc(r.hits, func(h azure.Hit) bool { return h.Phrase == o.phrase && !r.inMatch(h.Start) && r.spells(h, word) }) {
			r.origins = append(r.origins, o.origin)
		}
	}
}

// spells reports whether a hit has a word's punctuation too: azuread_ is not Azure AD.
func (r *reading) spells(h azure.Hit, word string) bool {
	fields := func(s string) string { return strings.Join(strings.Fields(s), "") }
	end := h.End + len(word) - len(strings.TrimRight(word, "_"))
	return end <= len(r.text) && strings.EqualFold(fields(r.text[h.Start:end]), fields(word)) &&
		(strings.Contains(word, " ") || !strings.Contains(r.text[h.Start:h.End], " "))
}

func (r *reading) inMatch(at int) bool {
	return slices.ContainsFunc(r.matches, func(m azure.Match) bool { return m.Start <= at && at < m.End })
}
